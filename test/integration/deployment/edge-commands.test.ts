import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect as connectTls } from 'node:tls';
import { resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeListenerCertificate } from '../../support/edge/listener-certificate.js';
import { createEdgeStage, eventually, type EdgeStage } from '../../support/edge/stage.js';
import { freePort } from '../../support/ports.js';
import { describeWith } from '../../support/programs.js';
import { runThingward } from '../../support/shell.js';

const documented = /<!-- test: settings -->\n\n```yaml\n([^]*?)```/.exec(readFileSync('docs/edge.md', 'utf8'))![1]!;

describeWith(['openssl', 'mosquitto'], 'thingward edge', () => {
  let stage: EdgeStage;
  let settings: string;
  let httpsPort: number;

  beforeAll(async () => {
    stage = await createEdgeStage();
    const broker = await stage.startBroker();
    const monitor = await freePort();
    httpsPort = await freePort();
    settings = documented
      .replace('https://things.example.com', stage.server.url)
      .replace('mqtt://127.0.0.1:1884', broker)
      .replace('http://127.0.0.1:3000', stage.serviceUrl)
      .replace('port: 9443', `port: ${httpsPort}, host: 127.0.0.1`)
      .replace('port: 8883', `port: ${await freePort()}, host: 127.0.0.1`)
      .replace('port: 8443', `port: ${await freePort()}, host: 127.0.0.1`);
    settings += `monitor: { host: 127.0.0.1, port: ${monitor} }\n`;
  });
  afterAll(() => stage.stop());

  const write = (text: string): string => {
    writeFileSync(stage.at('edge.yaml'), text);
    return stage.at('edge.yaml');
  };

  /** Starts an edge; `output` is what it printed. */
  const start = (file: string, before = '') => {
    const script = `${before} exec "$0" "$@"`;
    const edge = [process.execPath, resolve('dist/main.js'), 'edge', '--config', file];
    const child = spawn('bash', ['-c', script, ...edge], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'] },
    });
    stage.children.push(child);
    let text = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (octets: Buffer) => (text += octets.toString()));
    return { child, output: () => text };
  };

  it('check: the settings of docs/edge.md are good, and it says who is let in', async () => {
    const { code, output } = await runThingward(['edge', 'check', '--config', write(settings)]);
    expect(output).toContain('This edge can run.');
    expect(output).toContain('it answers for the account default');
    expect(output).toContain('the broker accepts connections');
    expect(output).toMatch(/https on 127\.0\.0\.1, port \d+: devices with a valid client certificate/);
    expect(output).not.toContain('BAD');
    expect(code).toBe(0);
  });

  it('check: names the line of a setting that is wrong', async () => {
    const { code, output } = await runThingward(['edge', 'check', '--config', write(`${settings}colour: red\n`)]);
    const line = settings.split('\n').length;
    expect(output).toBe(`thingward: edge.yaml:${line}: colour: is not a setting of an edge\n`);
    expect(code).toBe(1);
  });

  it('check: names everything that does not work', async () => {
    writeFileSync(stage.at('wrong.key'), 'twk_wrong');
    const text = settings
      .replace('keyFile: edge.key', 'keyFile: wrong.key')
      .replace(stage.serviceUrl, 'http://127.0.0.1:9')
      .replace('certFile: tls.crt', 'certFile: edge.key');
    const { code, output } = await runThingward(['edge', 'check', '--config', write(text)]);
    expect(output.match(/^BAD/gm)).toHaveLength(3);
    expect(output).toContain('make a key with the role edge');
    expect(output).toContain('3 things are wrong.');
    expect(code).toBe(1);
  });

  it('says in one sentence which port it cannot have, and what to do', async () => {
    const lineOf = (text: string): number => text.slice(0, text.indexOf('protocol: https')).split('\n').length;
    const other = createServer().listen(httpsPort, '127.0.0.1');
    await once(other, 'listening');
    const file = write(settings);
    const taken = await runThingward(['edge', '--config', file]);
    const check = await runThingward(['edge', 'check', '--config', file]);
    other.close();
    expect([taken.code, taken.output.split('\n').at(-2)]).toEqual([
      1,
      `thingward: edge.yaml:${lineOf(settings)}: listeners[2]: https cannot listen on 127.0.0.1, port ${httpsPort}, because another program listens there, perhaps another edge: stop it, or choose another port`,
    ]);
    expect(taken.output).not.toMatch(/^ +at /m);
    expect(check.output).toMatch(
      /^BAD {2}https on .*, because another program listens there, .* choose another port$/m,
    );
    expect(check.code).toBe(1);
    const elsewhere = settings.replace(`${httpsPort}, host: 127.0.0.1`, `${httpsPort}, host: 192.0.2.1`);
    for (const words of [['edge'], ['edge', 'check']]) {
      const { code, output } = await runThingward([...words, '--config', write(elsewhere)]);
      expect([code, output]).toEqual([1, expect.stringContaining('this machine does not have the address in host')]);
      expect(output).not.toMatch(/^ +at /m);
    }
  });

  it('says without a stack why the server lets it not start', async () => {
    writeFileSync(stage.at('wrong.key'), 'twk_wrong');
    const file = write(settings.replace('keyFile: edge.key', 'keyFile: wrong.key'));
    const { code, output } = await runThingward(['edge', '--config', file]);
    expect(code).toBe(1);
    expect(output.split('\n').at(-2)).toMatch(/^thingward: http.*answered 401: .*: make a key with the role edge/);
    expect(output).not.toMatch(/^ +at /m);
  });

  it('needs --config, and a file', async () => {
    for (const args of [['edge'], ['edge', 'check']]) {
      const { code, output } = await runThingward(args);
      expect([code, output]).toEqual([2, expect.stringContaining("required option '--config <file>' not specified")]);
    }
    const { code, output } = await runThingward(['edge', '--config', stage.at('none.yaml')]);
    expect([code, output]).toEqual([1, expect.stringMatching(/^thingward: .*none\.yaml cannot be read/)]);
  });

  it('runs, rereads its certificates on SIGHUP, and drains on SIGTERM', async () => {
    const { name, token } = await stage.addDevice();
    const { child, output } = start(write(settings));
    await eventually(output, (text) => text.split('the edge listens').length === 4);
    /** What the listener shows, and what it answers to a device. */
    const ask = async () => {
      const files = { cert: readFileSync(stage.at(`${name}.crt`)), key: readFileSync(stage.at(`${name}.key`)) };
      const socket = connectTls({ host: '127.0.0.1', port: httpsPort, rejectUnauthorized: false, ...files });
      let text = '';
      socket.on('data', (octets) => (text += octets.toString()));
      await once(socket, 'secureConnect');
      const { fingerprint256 } = socket.getPeerCertificate();
      socket.write(`GET /${name}/a HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\n\r\n`);
      await once(socket, 'close');
      return { text, fingerprint256 };
    };
    const check = await runThingward(['edge', 'check', '--config', stage.at('edge.yaml')]);
    expect(check.output).toContain('an edge with this stateDir runs now');
    expect(check.output).toContain(
      `     https on 127.0.0.1, port ${httpsPort}: taken, perhaps by the edge that runs now`,
    );
    expect([check.code, check.output.includes('BAD')]).toEqual([0, false]);
    const second = await runThingward(['edge', '--config', stage.at('edge.yaml')]);
    expect([second.code, second.output]).toEqual([
      1,
      `thingward: ${stage.at('edge-state')} is in use by another edge: stop that one first, or choose another stateDir\n`,
    ]);
    const first = await ask();
    expect(first.text).toMatch(/^HTTP\/1\.1 200 /);
    writeFileSync(stage.at('tls.key'), 'nonsense');
    child.kill('SIGHUP');
    await eventually(output, (text) => text.includes('the old one stays') && text.includes('were read again'));
    expect((await ask()).fingerprint256).toBe(first.fingerprint256);
    makeListenerCertificate(stage.at);
    child.kill('SIGHUP');
    await eventually(output, (text) => text.split('were read again').length === 3);
    const renewed = await ask();
    expect(renewed.text).toMatch(/^HTTP\/1\.1 200 /);
    expect(renewed.fingerprint256).not.toBe(first.fingerprint256);
    const ended = once(child, 'exit');
    // As under npx, which passes on what the terminal has sent to the edge already.
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGTERM'] as const) child.kill(signal);
    expect((await ended)[0]).toBe(0);
    expect(output()).not.toContain(token);
  });

  it('says once how many files it needs, where it may open fewer', async () => {
    const few = 'ulimit -n 1024;';
    for (const [text, count] of [
      [settings, 1],
      [`${settings}limits: { connections: 400 }\n`, 0],
    ] as const) {
      const { child, output } = start(write(text), few);
      await eventually(output, (said) => said.split('the edge listens').length === 4);
      const lines = output()
        .split('\n')
        .filter((line) => line.includes('too few files may be open'));
      expect(lines).toHaveLength(count);
      if (count > 0) expect(JSON.parse(lines[0]!)).toMatchObject({ level: 40, needed: 40_200, allowed: 1024 });
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
    }
  });

  it('leaves its stateDir to the next one at once, however it ends', async () => {
    const file = write(settings);
    for (let round = 0; round < 3; round++) {
      const { child, output } = start(file);
      await eventually(output, (text) => text.split('the edge listens').length === 4);
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
      const check = await runThingward(['edge', 'check', '--config', file]);
      expect([check.code, check.output.includes('runs now')]).toEqual([0, false]);
    }
  });
});
