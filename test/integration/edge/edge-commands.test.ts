import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect as connectTls } from 'node:tls';
import { resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createEdgeStage, eventually, makeListenerCertificate, type EdgeStage } from '../../support/edge/stage.js';
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
    const args = [resolve('dist/main.js'), 'edge', '--config', write(settings)];
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'] },
    });
    stage.children.push(child);
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (octets: Buffer) => (output += octets.toString()));
    await eventually(
      () => output,
      (text) => text.split('the edge listens').length === 4,
    );
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
    const first = await ask();
    expect(first.text).toMatch(/^HTTP\/1\.1 200 /);
    writeFileSync(stage.at('tls.key'), 'nonsense');
    child.kill('SIGHUP');
    await eventually(
      () => output,
      (text) => text.includes('the old one stays') && text.includes('were read again'),
    );
    expect((await ask()).fingerprint256).toBe(first.fingerprint256);
    makeListenerCertificate(stage.at);
    child.kill('SIGHUP');
    await eventually(
      () => output,
      (text) => text.split('were read again').length === 3,
    );
    const second = await ask();
    expect(second.text).toMatch(/^HTTP\/1\.1 200 /);
    expect(second.fingerprint256).not.toBe(first.fingerprint256);
    const ended = once(child, 'exit');
    // As under npx, which passes on what the terminal has sent to the edge already.
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGTERM'] as const) child.kill(signal);
    expect((await ended)[0]).toBe(0);
    expect(output).not.toContain(token);
  });
});
