import { randomUUID } from 'node:crypto';
import type { Random } from '../policy-cases.js';
import { name, type Recipe } from './recipe.js';

const pipeline = (random: Random) => ({
  name: name(random),
  match: { topics: ['${account}/+/telemetry'] },
  values: { a: '$.a' },
  steps: [
    random.pick([
      { smooth: 'ewma', alpha: 0.3 },
      { window: { last: 2 }, emit: ['mean', 'p95'] },
    ]),
  ],
});
const recorded = (random: Random) => ({
  messages: [{ thing: 'w-1', topic: 'default/w-1/telemetry', payload: { a: random.below(100) } }],
});

/** Bodies that are right for pipelines and commands. */
export const gatewayRecipes: Record<string, Recipe> = {
  'POST /v1/pipelines': (_world, random) => pipeline(random),
  'POST /v1/pipelines/lint': (_world, random) => pipeline(random),
  'POST /v1/pipelines/simulate': (_world, random) => ({ document: pipeline(random), ...recorded(random) }),
  'POST /v1/pipelines/{name}/simulate': (_world, random) => recorded(random),
  'POST /v1/pipelines/{name}/versions': (_world, random) => ({ ...pipeline(random), name: undefined }),
  'POST /v1/pipelines/{name}/activate': (_world, random) => ({ version: random.pick([1, 1, null]) }),
  'POST /v1/things/{name}/commands': ({ pools }, random) => ({
    name: random.pick(['reboot', 'set']),
    payload: random.pick([{ rpm: random.below(9) }, null, [1, 'x'], pools.cursor]),
    expiresIn: 1 + random.below(100),
  }),
  'POST /v1/command-schemas': (_world, random) => ({
    name: name(random),
    ...(random.chance(0.5) ? { thingType: 'pump' } : {}),
    schema: random.pick([true, { type: 'object', properties: { rpm: { maximum: 9 } } }, { items: false }]),
  }),
  'POST /v1/edge/commands/claim': ({ pools }, random) => ({
    proxy: pools.edges[0],
    incarnation: 'i',
    claim: randomUUID(),
    sessions: [{ id: random.pick(pools.sessions), ...(random.chance(0.5) ? { names: ['reboot'] } : {}) }],
  }),
  'POST /v1/edge/commands/report': ({ pools }, random) => ({
    proxy: pools.edges[0],
    incarnation: 'i',
    commands: [
      {
        id: random.pick(pools.commands),
        thingName: pools.commanded,
        status: random.pick(['released', 'delivered', 'acknowledged', 'failed']),
        ...(random.chance(0.5) ? { result: { status: 'failed' } } : {}),
      },
    ],
  }),
};
