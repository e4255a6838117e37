import { spawn } from 'node:child_process';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createEdgeStage, type EdgeStage } from '../../support/edge/stage.js';
import { describeWith } from '../../support/programs.js';

type StartedEdge = Awaited<ReturnType<EdgeStage['startEdge']>>;
const client = 'coap-client-openssl';

describeWith(['mosquitto', 'mosquitto_pub', 'mosquitto_sub', client], 'CoAP over UDP, by libcoap', () => {
  let stage: EdgeStage;
  let edge: StartedEdge;

  beforeAll(async () => {
    stage = await createEdgeStage();
    const url = await stage.startBroker();
    edge = await stage.startEdge([{ protocol: 'coap' }], { upstream: { mqtt: { url } } });
  });
  afterAll(() => stage.stop());

  /** Runs a client to its end. */
  const run = (program: string, args: string[]): Promise<string> =>
    new Promise((resolve) => {
      const child = spawn(program, args, { cwd: stage.at('') });
      let said = '';
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (octets: Buffer) => (said += octets.toString()));
      child.once('close', () => resolve(said));
    });
  const ask = (method: string, path: string, token: string, more: string[] = []) =>
    run(client, [
      '-m',
      method,
      '-B',
      '5',
      '-v',
      '7',
      '-O',
      `65001,${token}`,
      ...more,
      `coap://127.0.0.1:${edge.portOf(0)}/${path}`,
    ]);

  it('publishes', async () => {
    const { name, token } = await stage.addDevice();
    const said = await ask('post', `${name}/a`, token, ['-e', 'hello']);
    expect(said).toContain('2.04');
  });
});
