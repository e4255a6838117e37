import { createEdgeStage } from '../edge/stage.js';
import type { Target } from './runner.js';
import { own, type Case } from './steps.js';

export type ConformanceStage = Awaited<ReturnType<typeof createConformanceStage>>;

/** Client ids that cases use, as this run writes them. */
function clientIdsOf(cases: readonly Case[], letter: string): string[] {
  const found = new Set<string>();
  for (const { steps, number } of cases) {
    const name = `${letter}${String(number).padStart(4, '0')}`;
    for (const step of steps)
      if (step.kind === 'open' && step.fields.clientId) found.add(step.fields.clientId.replaceAll(own, name));
    for (const who of ['a', 'b']) found.add(`${name}${who}`);
  }
  return [...found];
}

const mostResources = 1000;

function connectsOf(clientIds: readonly string[]): object[] {
  const statements: object[] = [];
  for (let from = 0; from < clientIds.length; from += mostResources) {
    const resources = clientIds.slice(from, from + mostResources).map((id) => `client:${id}`);
    statements.push({ id: `connect-${from}`, effect: 'allow', actions: ['connect'], resources });
  }
  return statements;
}

const all = ['topic:#', 'topic:$q/#', 'topic:$SYS/#'];

/** What devices may do with topics, unless a run says otherwise: everything. */
export const everything = [
  { id: 'topics', effect: 'allow', actions: ['publish', 'subscribe', 'receive'], resources: all },
];

/** How many levels a topic has that nobody may receive with {@link exceptSecrets}. */
export const secretLevels = 12;

const levels = (count: number): string => `topic:${Array<string>(count).fill('+').join('/')}`;

/**
 * Everything, save for the delivery of topics with so many levels. A deny would also refuse every subscription that could reach
 * them, so they are left out of what is allowed.
 */
export const exceptSecrets = [
  { id: 'topics', effect: 'allow', actions: ['publish', 'subscribe'], resources: all },
  {
    id: 'deliveries',
    effect: 'allow',
    actions: ['receive'],
    resources: [
      ...Array.from({ length: secretLevels - 1 }, (_, nth) => levels(nth + 1)),
      `${levels(secretLevels + 1)}/#`,
      'topic:$q/#',
    ],
  },
];

/** A real server and edges in front of brokers, with a device that may use the client ids of all cases. */
export async function createConformanceStage(cases: readonly Case[]) {
  const stage = await createEdgeStage();

  /** A token of a new device that has these rights over topics. */
  const admit = async (letter: string, topics: readonly object[]): Promise<string> => {
    const device = await stage.addDevice();
    const name = `all-of-${letter}`;
    const statements = [...connectsOf(clientIdsOf(cases, letter)), ...topics];
    const made = await stage.server.owner.post('/v1/policies', { name, statements });
    if (made.status >= 300) throw new Error(made.text);
    const given = await stage.server.owner.send('PUT', `/v1/things/${device.name}/policies`, { policies: [name] });
    if (given.status >= 300) throw new Error(given.text);
    return device.token;
  };

  /** An edge in front of a broker. */
  const startEdge = async (
    brokerPort: number,
    letter: string,
    more: object = {},
    topics: readonly object[] = everything,
  ) => {
    const password = await admit(letter, topics);
    const url = `mqtt://127.0.0.1:${brokerPort}`;
    const edge = await stage.startEdge([{ protocol: 'mqtt' }], {
      upstream: { mqtt: { url, username: '${account}/${thing.name}' } },
      limits: { perAddress: 5000 },
      ...more,
    });
    const target: Target = { port: edge.portOf(0), letter, password, settleMs: 0 };
    return { edge, target };
  };

  return { stage, startEdge, stop: stage.stop };
}
