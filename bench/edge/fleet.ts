import { connectDevice, type LiveDevice } from '../../test/support/edge/live-device.js';
import { startTruthRelay, type TruthRelay } from '../../test/support/edge/truth.js';
import { signTokens } from '../fleet.js';
import { expectOk, forEachOf, freePorts, openStage, pause, until, type BenchStage, type Known } from './stage.js';

/** An edge with what observes it. */
export type Post = {
  name: string;
  /** Between the edge and the server. */
  relay: TruthRelay;
  brokerPort: number;
  ports: { mqtts: number; mqtt: number };
  program: Awaited<ReturnType<BenchStage['startEdge']>>;
};

/** A session of a device at an edge. */
export type Session = { known: Known; post: number; live: LiveDevice };

export type CutOffFleet = Awaited<ReturnType<typeof openFleet>>;

const atOnce = 32;
export const policyName = 'cut-off';
export const segmentName = 'cut-off';

/** The document that lets devices in: one client id for each edge. `condition` is that of the connect. */
export const documentOf = (edges: number, condition: object, clientId = '${thing.name}') => ({
  name: policyName,
  statements: [
    {
      id: 'connect',
      effect: 'allow',
      actions: ['connect'],
      resources: Array.from({ length: edges }, (_, post) => `client:${clientId}:${post}`),
      condition,
    },
    {
      id: 'topics',
      effect: 'allow',
      actions: ['publish', 'subscribe', 'receive'],
      resources: ['topic:${thing.name}/#'],
    },
  ],
});

/** True for the half of devices that come with a token; the others come with their certificate over TLS. */
export const hasToken = (index: number): boolean => index % 2 === 0;

/** Devices with a session at each of several edges, half by certificate and half by token, in MQTT 5 and 3.1.1 by turns. */
export async function openFleet(things: number, edges: number) {
  const stage = await openStage();
  const { owner } = stage;
  try {
    expectOk(await owner.post('/v1/policies', documentOf(edges, { attributes: { site: ['berlin'] } })));
    const trafficPolicy = {
      bandwidthLimit: '100Gbps',
      connectionLimit: 1_000_000,
      rateLimit: { requestsPerSecond: 1_000_000, burst: 1_000_000 },
    };
    const segment = { name: segmentName, cidr: '127.0.0.0/8', deviceLimit: 1_000_000, trafficPolicy };
    expectOk(await owner.post('/v1/segments', segment));
    await stage.enroll({ policy: policyName, segment: segmentName, attributes: { site: 'berlin' } });
    const brokers = await stage.startBroker(edges);
    const posts: Post[] = [];
    for (const [index, brokerPort] of brokers.entries()) posts.push(await openPost(stage, `edge-${index}`, brokerPort));
    const known: Known[] = Array.from({ length: things });
    await forEachOf(known, atOnce, async (_, index) => {
      known[index] = await stage.addDevice(`thing-${index}`);
    });
    return { ...stage, posts, known, ...createSessions(stage, posts, known) };
  } catch (error) {
    await stage.stop();
    throw error;
  }
}

async function openPost(stage: BenchStage, name: string, brokerPort: number): Promise<Post> {
  const relay = await startTruthRelay(stage.port);
  const [mqtts, mqtt] = (await freePorts(2)) as [number, number];
  const ports = { mqtts, mqtt };
  return { name, relay, brokerPort, ports, program: await startPost(stage, name, relay.port, brokerPort, ports) };
}

/** Starts the edge of a post, also again. */
export function startPost(
  stage: Pick<BenchStage, 'startEdge'>,
  name: string,
  relayPort: number,
  brokerPort: number,
  { mqtts, mqtt }: Post['ports'],
) {
  const host = '127.0.0.1';
  return stage.startEdge({
    name,
    server: `http://127.0.0.1:${relayPort}`,
    upstream: `mqtt://127.0.0.1:${brokerPort}`,
    listeners: [
      { protocol: 'mqtts', host, port: mqtts, certFile: 'tls.crt', keyFile: 'tls.key', clientCertificates: 'required' },
      { protocol: 'mqtt', host, port: mqtt },
    ],
  });
}

function createSessions(stage: BenchStage, posts: Post[], known: Known[]) {
  const sessions = new Map<string, Session>();
  let made = known.length;

  /** Comes in as a device does, and again where the edge has not heard yet that it may. */
  const connect = async (index: number, post: number): Promise<void> => {
    const key = `${index}:${post}`;
    const { name, token, pem, keyPem } = known[index]!;
    const { ports } = posts[post]!;
    const arrival = {
      clientId: `${name}:${post}`,
      version: (index >> 1) % 2 === 0 ? 5 : 4,
      filter: `${name}/#`,
      ...(hasToken(index)
        ? { port: ports.mqtt, password: token }
        : { port: ports.mqtts, tls: { cert: pem, key: keyPem } }),
    } as const;
    for (let attempt = 0; ; attempt++)
      try {
        const live = await connectDevice(arrival);
        return void sessions.set(key, { known: known[index]!, post, live });
      } catch (error) {
        if (attempt === 100) throw error;
        await pause(50);
      }
  };

  const missing = (indices: Iterable<number>, ofPosts: readonly number[]): [number, number][] =>
    [...indices].flatMap((index) =>
      ofPosts.flatMap((post): [number, number][] => {
        const session = sessions.get(`${index}:${post}`);
        return session && session.live.endedAt() === undefined ? [] : [[index, post]];
      }),
    );
  const everyPost = posts.map((_, index) => index);

  return {
    /** Connects what is not connected. */
    async connectAll(indices: Iterable<number> = known.keys(), ofPosts: readonly number[] = everyPost): Promise<void> {
      await forEachOf(missing(indices, ofPosts), atOnce, ([index, post]) => connect(index, post));
    },

    /** The live sessions of some things. */
    sessionsOf: (indices: Iterable<number>): Session[] =>
      [...indices].flatMap((index) =>
        everyPost.flatMap((post) => {
          const session = sessions.get(`${index}:${post}`);
          return session && session.live.endedAt() === undefined ? [session] : [];
        }),
      ),

    liveAt: (post: number): number =>
      [...sessions.values()].filter((each) => each.post === post && each.live.endedAt() === undefined).length,

    /** A new device in the place of one that is revoked. */
    async replace(index: number): Promise<void> {
      known[index] = await stage.addDevice(`thing-${made++}`);
    },

    /** A new token, which knows of everything that was changed and undone. */
    async refresh(index: number): Promise<void> {
      known[index]!.token = await stage.tokenOf(known[index]!);
    },

    /** Tokens that end at a moment, for things that have one. They leave, to come in by the new ones. */
    async shorten(indices: number[], at: Date): Promise<void> {
      const tokens = await signTokens(
        stage.settings,
        indices.map((index) => known[index]!.name),
        at,
      );
      for (const index of indices) {
        known[index]!.token = tokens.get(known[index]!.name)!;
        for (const post of everyPost) sessions.get(`${index}:${post}`)?.live.close();
      }
      await until('they left', () =>
        indices.every((index) => sessions.get(`${index}:0`)?.live.endedAt() !== undefined),
      );
    },

    /** How far the log is. */
    position: async (): Promise<number> =>
      expectOk(await stage.owner.get('/v1/revocations/snapshot')).body.position as number,

    /** Waits until every edge enforces everything. */
    async settle(): Promise<void> {
      const position = expectOk(await stage.owner.get('/v1/revocations/snapshot')).body.position as number;
      await until('every edge enforces what happened', async () => {
        const { status, body } = await stage.owner.get(`/v1/revocations/${position}`);
        return status === 404 || body.enforced === true;
      });
    },

    async close(): Promise<void> {
      for (const { live } of sessions.values()) live.close();
      await stage.stop();
      for (const { relay } of posts) await relay.stop();
    },
  };
}
