import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parse } from 'yaml';
import { answerCode, formatCode } from '../../../src/edge/coap-messages/codes.js';
import { blockOf, tableOf } from '../../support/deployment/documented.js';
import { coapClient, start } from '../../support/coap/device.js';
import { createEdgeStage, eventually, type EdgeStage } from '../../support/edge/stage.js';
import { freePort } from '../../support/ports.js';
import { describeWith } from '../../support/programs.js';
import { runShell } from '../../support/shell.js';

const paper = readFileSync('docs/coap.md', 'utf8');

describeWith(['mosquitto', 'mosquitto_pub', 'socat', coapClient], 'docs/coap.md', () => {
  let stage: EdgeStage;
  let ports: { udp: number; tls: number; dtls: number };
  let token: string;
  let brokerPort: string;

  /** A block with the ports of this test. */
  const block = (name: string): string =>
    blockOf(name, paper)
      .replaceAll(':5683', `:${ports.udp}`)
      .replace('localhost:5684', `localhost:${ports.tls}`)
      .replace('SERVER:5684', `SERVER:${ports.dtls},bind=127.0.0.1`);
  const run = async (name: string): Promise<string> => {
    const { code, output } = await runShell(block(name), stage.at(''), { TOKEN: token });
    expect(code, output).toBe(0);
    return output;
  };

  beforeAll(async () => {
    stage = await createEdgeStage();
    const url = await stage.startBroker();
    brokerPort = new URL(url).port;
    const { listeners, upstream } = parse(blockOf('settings', paper)) as { listeners: object[]; upstream: object };
    const files = { certFile: stage.at('tls.crt'), keyFile: stage.at('tls.key') };
    const [udp, tls] = listeners as [object, object];
    expect(upstream).toMatchObject({ mqtt: { passwordFile: 'broker.pw' } });
    const mqtt = { ...(upstream as { mqtt: object }).mqtt, url, passwordFile: stage.at('broker.pw') };
    const edge = await stage.startEdge(
      [
        { ...udp, port: 0 },
        { ...tls, ...files, port: 0, host: '127.0.0.1' },
      ],
      { upstream: { mqtt } },
    );
    ports = { udp: edge.portOf(0), tls: edge.portOf(1), dtls: await freePort() };
    ({ token } = await stage.addDevice('pump-17'));
  });
  afterAll(() => stage.stop());

  it('publishes, reads and observes with its commands', async () => {
    await run('publish');
    expect(await run('read')).toContain('21.5');
    const observing = run('observe');
    await new Promise((resolve) => setTimeout(resolve, 2000));
    const args = ['-p', brokerPort, '-q', '1', '-t', 'pump-17/temperature', '-m', '22.5'];
    await start('mosquitto_pub', args, '.').ended;
    expect(await observing).toMatch(/21\.5[^]*22\.5/);
  }, 60_000);

  it('has a program in front that ends DTLS', async () => {
    const front = start('bash', ['-c', `exec ${block('dtls')}`], stage.at(''));
    stage.children.push(front.child);
    writeFileSync(stage.at('value'), 'over DTLS');
    const url = `coaps://localhost:${ports.dtls}/pump-17/a`;
    const shown = ['-C', 'tls.crt', '-O', `65001,${token}`];
    // The program listens a moment after it was started.
    await eventually(
      () => start(coapClient, ['-m', 'put', '-B', '3', '-f', 'value', ...shown, url], stage.at('')).ended,
      (said) => said === '',
    );
    const read = await start(coapClient, ['-m', 'get', '-B', '5', ...shown, url], stage.at('')).ended;
    expect(read).toContain('over DTLS');
  }, 60_000);

  it('names every code', () => {
    const named = tableOf('codes', paper).map(([code]) => code!);
    expect(named).toEqual(Object.values(answerCode).map(formatCode));
  });
});
