import type { SnapshotPage } from '../../../src/edge/decider/known.js';
import type { ShownPrincipal } from '../../../src/edge/decider/principal-queue.js';

export const epoch = '0b0e2a3c-0000-4000-8000-000000000000';
export const thingId = '11111111-1111-4111-8111-111111111111';

/** What answers a decider in a test without a server: it says what the test tells it to, and notes what it was told. */
export function scriptControlPlane() {
  let position = 10;
  let now = Date.UTC(2026, 10, 28, 12);
  let streams: ReadableStreamDefaultController<Uint8Array>[] = [];
  const holders = new Map<string, ShownPrincipal>();
  const told: { path: string; body: Record<string, unknown> }[] = [];
  const failing = new Map<string, number>();
  const policies = [
    {
      name: 'p',
      version: 1,
      document: {
        name: 'p',
        statements: [
          { id: 'in', effect: 'allow', actions: ['connect'], resources: ['client:${thing.name}'] },
          { id: 'site', effect: 'allow', actions: ['publish'], resources: ['topic:${thing.attributes.site}'] },
        ],
      },
    },
  ];
  const cursor = (at = position): string => `${epoch}:${at}`;
  const serverTime = (): string => new Date(now).toISOString();

  const page = (): SnapshotPage => ({
    epoch,
    position,
    cursor: cursor(),
    account: { name: 'default', status: 'active' },
    issuers: [],
    jwks: { keys: [] },
    promises: { bearer: false, enforcesCrl: false, followsFeed: false },
    policies: policies as SnapshotPage['policies'],
    segments: [],
    ...(script.pipelines && { pipelines: script.pipelines }),
    things: [],
    certificates: [],
    serverTime: serverTime(),
  });

  const write = (text: string): void => streams.forEach((each) => each.enqueue(new TextEncoder().encode(text)));
  const head = (): void =>
    write(`event: head\ndata: ${JSON.stringify({ position, cursor: cursor(), serverTime: serverTime() })}\n\n`);

  const openStream = (signal: AbortSignal | null | undefined, isQuiet: boolean): Response => {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        streams.push(controller);
        signal?.addEventListener('abort', () => {
          if (!streams.includes(controller)) return;
          streams = streams.filter((each) => each !== controller);
          controller.error(new Error('aborted'));
        });
        if (!isQuiet) head();
      },
    });
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
  };

  const script = {
    isAway: false,
    /** Undefined: a server that says nothing of pipelines. */
    pipelines: [] as SnapshotPage['pipelines'] | undefined,
    /** Streams begin without a head. */
    isQuiet: false,
    page,
    holders,
    told,
    failing,
    cursor,
    head,
    pass: (ms: number) => void (now += ms),
    now: () => now,

    hold(fingerprint: string, name: string, more: Partial<ShownPrincipal> = {}): void {
      const own = { thingName: name, thingId, type: null, attributes: { site: 'a' }, policies: ['p'], segment: null };
      const rest = { status: 'active', gen: 1, serialNumber: '01', notAfter: '2027-11-28T12:00:00Z' };
      holders.set(fingerprint, { fingerprint, ...own, ...rest, ...more });
    },

    /** Appends an entry to the log, and pushes it. Returns its position. */
    say(entry: object, isPushed = true): number {
      position++;
      const view = JSON.stringify({ position, at: serverTime(), ...entry });
      if (isPushed) write(`id: ${cursor()}\ndata: ${view}\n\n`);
      return position;
    },

    /** Ends all streams. */
    cut(): void {
      const all = streams;
      streams = [];
      all.forEach((each) => each.close());
    },

    fetch: (async (input, init = {}) => {
      const url = new URL(input);
      const body = init.body ? (JSON.parse(init.body as string) as Record<string, unknown>) : {};
      told.push({ path: `${url.pathname}${url.search}`, body });
      if (script.isAway) throw new TypeError('fetch failed', { cause: new Error('nobody is there') });
      const status = failing.get(url.pathname);
      if (status !== undefined) return Response.json({ type: 'about:blank', detail: `it is ${status}` }, { status });
      switch (url.pathname) {
        case '/v1/edge/snapshot':
          return Response.json(page());
        case '/v1/edge/stream':
          return openStream(init.signal, script.isQuiet);
        case '/v1/edge/principals': {
          const fingerprints = body['fingerprints'] as string[];
          return Response.json({ principals: fingerprints.map((each) => holders.get(each) ?? null), cursor: cursor() });
        }
        case '/v1/proxies':
          return Response.json({ id: 'proxy-1' });
        default:
          return Response.json({});
      }
    }) as typeof fetch,
  };
  return script;
}
