import { afterAll, beforeAll, expect, it } from 'vitest';
import { start } from '../../support/coap/device.js';
import { createEdgeStage, eventually, type EdgeStage } from '../../support/edge/stage.js';
import { describeWith } from '../../support/programs.js';

const program = 'test/support/coap/aiocoap_client.py';

describeWith(['mosquitto', 'mosquitto_pub', 'python3:aiocoap'], 'aiocoap', () => {
  let stage: EdgeStage;
  let edge: Awaited<ReturnType<EdgeStage['startEdge']>>;
  let brokerPort: string;

  beforeAll(async () => {
    stage = await createEdgeStage();
    const url = await stage.startBroker();
    brokerPort = new URL(url).port;
    edge = await stage.startEdge([{ protocol: 'coap' }, { protocol: 'coap+tcp' }], { upstream: { mqtt: { url } } });
  });
  afterAll(() => stage.stop());

  const tell = (topic: string, payload: string) =>
    start('mosquitto_pub', ['-p', brokerPort, '-q', '1', '-t', topic, '-m', payload], '.').ended;

  it.each([
    ['coap', 0],
    ['coap+tcp', 1],
  ])(
    'publishes, reads, sends and gets blocks, and observes by %s',
    async (scheme, nth) => {
      const { name, token } = await stage.addDevice();
      const base = `${scheme}://127.0.0.1:${edge.portOf(nth)}`;
      const device = start('python3', [program, base, `${name}/a`, 'foreign/a', token], '.');
      stage.children.push(device.child);
      await eventually(device.said, (text) => text.includes('observe') || text.includes('Error'));
      for (const value of ['one', 'two', 'last']) await tell(`${name}/a`, value);
      const said = await device.ended;
      expect(said.trim().split('\n')).toEqual([
        'put 2.04',
        'get 2.05 first',
        'foreign 4.03',
        'large 2.04',
        'large 2.05 True',
        'observe 2.05 first',
        'told 2.05 one',
        'told 2.05 two',
        'told 2.05 last',
        'done',
      ]);
    },
    60_000,
  );
});
