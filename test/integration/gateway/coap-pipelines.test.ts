import { afterAll, beforeAll, expect, it } from 'vitest';
import { openEnd, requestOf, wordsOf } from '../../support/coap/device.js';
import { createCoapStage, type CoapStage } from '../../support/coap/stage.js';
import { eventually } from '../../support/edge/stage.js';
import { describeWith } from '../../support/programs.js';

describeWith(['mosquitto', 'mosquitto_pub', 'mosquitto_sub'], 'pipelines and devices of CoAP', () => {
  let coap: CoapStage;

  beforeAll(async () => {
    coap = await createCoapStage();
  });
  afterAll(() => coap.stop());

  it('what a device posts is taken before it is told so, and the broker never sees it', async () => {
    const { stage } = coap;
    const { name, token } = await stage.addDevice();
    const match = { topics: [`${name}/taken`] };
    const made = await stage.server.owner.post('/v1/pipelines', {
      name: 'taken',
      match,
      values: { t: '$.t' },
      steps: [],
    });
    expect(made.status, made.text).toBe(201);
    const edge = await stage.startEdge([{ protocol: 'coap' }], {
      upstream: { mqtt: coap.broker },
      gateway: { pipelines: {} },
    });
    const figures = async (): Promise<string> => (await fetch(`${edge.monitorUrl}/metrics`)).text();
    await eventually(figures, (text) => text.includes('thingward_edge_pipelines 1'));
    const heard = await coap.hear('#');
    const end = await openEnd(edge.portOf(0));
    await end.send(requestOf({ method: 'post', path: `${name}/taken`, token, payload: '{"t":1}', id: 1 }));
    await end.send(requestOf({ method: 'post', path: `${name}/other`, token, payload: 'passes', id: 2 }));
    await eventually(
      () => end.got.length,
      (count) => count === 2,
    );
    expect(end.got.map(wordsOf)).toEqual(['ack 2.04', 'ack 2.04']);
    expect(await figures()).toContain('thingward_edge_pipeline_messages_total{pipeline="taken"} 1');
    await eventually(heard.said, (text) => text.includes(`${name}/other passes`));
    expect(heard.said()).not.toContain(`${name}/taken`);
    end.close();
  });
});
