import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createEdge, type Edge, type EdgeOptions, type EdgeSettings } from '../../../src/edge/proxy/create-edge.js';
import { EdgeConfigError } from '../../../src/edge/settings/config.js';
import { createEdgeStage, type EdgeStage } from '../../support/edge/stage.js';
import { describeWith } from '../../support/programs.js';

describeWith(['openssl'], 'createEdge', () => {
  let stage: EdgeStage;
  const edges: Edge[] = [];

  beforeAll(async () => {
    stage = await createEdgeStage();
  });
  afterAll(async () => {
    for (const edge of edges) await edge.close();
    await stage?.stop();
  });

  const settings = () => ({
    server: stage.server.url,
    keyFile: stage.at('edge.key'),
    name: 'in-code',
    stateDir: stage.at('in-code'),
    listeners: [{ protocol: 'http' as const, host: '127.0.0.1', port: 0 }],
    upstream: { http: { url: stage.serviceUrl } },
    monitor: { port: 0 },
  });

  it('takes settings as an object, with hooks beside them', async () => {
    const { name, token } = await stage.addDevice();
    const edge = await createEdge({ ...settings(), hooks: { authConnect: () => true } });
    edges.push(edge);
    const headers = { authorization: `Bearer ${token}` };
    const answer = await fetch(`http://127.0.0.1:${edge.ports[0]!.port}/${name}/a`, { headers });
    expect(answer.status).toBe(200);
  });

  it.each([
    ['an unknown member', { colour: 'red' }, 'colour: is not a setting of an edge'],
    ['a missing one', { upstream: {} }, 'upstream: has no http, which the listener http needs'],
    ['one of a wrong kind', { listeners: [{ protocol: 'http', port: '1' }] }, 'listeners[0].port: '],
    [
      'a plain listener for others',
      { listeners: [{ protocol: 'http', port: 1 }] },
      'listeners[0].protocol: http without',
    ],
  ])('names %s as it is written in code', async (_what, wrong, words) => {
    const made = createEdge({ ...settings(), ...wrong } as unknown as EdgeOptions);
    await expect(made).rejects.toThrow(EdgeConfigError);
    await expect(made).rejects.toThrow(words);
  });

  it('refuses a port that is taken with the place of the listener', async () => {
    const port = edges[0]!.ports[0]!.port;
    const made = createEdge({
      ...settings(),
      name: 'second',
      stateDir: stage.at('second'),
      listeners: [{ protocol: 'http', host: '127.0.0.1', port }],
    });
    await expect(made).rejects.toThrow(
      /^listeners\[0\]: http cannot listen on 127\.0\.0\.1, port \d+, because another/,
    );
  });

  it('is not listed by the server where it cannot start', async () => {
    const port = edges[0]!.ports[0]!.port;
    writeFileSync(stage.at('nonsense.pem'), 'nonsense');
    const pair = { certFile: stage.at('nonsense.pem'), keyFile: stage.at('nonsense.pem') };
    const none = { passwordFile: stage.at('no-such-file'), username: 'x' };
    const wrongs: Partial<EdgeSettings>[] = [
      { listeners: [{ protocol: 'http', host: '127.0.0.1', port }] },
      { monitor: { port } },
      { listeners: [{ protocol: 'https', host: '127.0.0.1', port: 0, ...pair }] },
      { upstream: { ...settings().upstream, mqtt: { url: 'mqtt://127.0.0.1:1', ...none } } },
    ];
    for (const [nth, wrong] of wrongs.entries()) {
      const given = { ...settings(), name: `stillborn-${nth}`, stateDir: stage.at('stillborn'), ...wrong };
      await expect(createEdge(given)).rejects.toThrow();
    }
    const { items } = (await stage.server.owner.get('/v1/proxies')).body as { items: { name: string }[] };
    expect(items.map(({ name }) => name)).toEqual(['in-code']);
    // The folder is left to the next one, too.
    edges.push(await createEdge({ ...settings(), name: 'born', stateDir: stage.at('stillborn') }));
  });
});
