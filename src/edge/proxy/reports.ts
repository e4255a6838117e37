import type { Verdict } from '../../authorize/judge.js';
import type { Ask } from '../gate.js';
import type { Session, Timers } from './sessions.js';

/** What the control plane answered: 0 when it did not. */
export type ReportAnswer = { status: number };

type Options = {
  /** Posts a report to `/v1/proxies/{id}/sessions`. Never throws. */
  send(report: object): Promise<ReportAnswer>;
  incarnation: string;
  timers: Timers;
  /** The followed clock, milliseconds since 1970. */
  now(): number;
  /** The control plane knows of these sessions. */
  told?: ((ids: string[]) => void) | undefined;
};

type Opened = Record<string, string>;

// The limits of a report are those of the route.
const most = { opened: 2000, closed: 5000, seen: 5000, reasons: 100, decisions: 20 };
// Half of the sample is for denials.
const mostOfAKind = most.decisions / 2;
// A little more than a second, because the control plane measures the time between arrivals.
const everyMs = 1050;
const longestText = 1024;

export type Reports = ReturnType<typeof createReports>;

/** Tells the control plane which sessions there are, who was seen, and what was decided. It holds no more than there are sessions. */
export function createReports({ send, incarnation, timers, now, told }: Options) {
  const live = new Map<string, Opened>();
  // Live ones that the control plane does not know yet, and those that it knows and that are gone.
  let unknown = new Map<string, Opened>();
  let gone = new Set<string>();
  let isFull = true;
  let seen = new Map<string, number>();
  let denied = new Map<string, number>();
  let decisions: object[] = [];
  const kinds = { allow: 0, deny: 0 };
  let sampled = new Set<string>();
  let timer: unknown;
  let ended = false;

  const take = () => {
    if (isFull) {
      unknown = new Map(live);
      gone = new Set();
    }
    const opened = [...first(unknown.entries(), most.opened)];
    const closed = [...first(gone, most.closed)];
    return { full: isFull, opened, closed, seen, denied, decisions };
  };

  /** What was reported is forgotten; what came meanwhile is not. */
  const settle = ({ opened, closed }: ReturnType<typeof take>): void => {
    isFull = false;
    for (const [id] of opened) {
      // It left while it was reported.
      if (!unknown.delete(id)) gone.add(id);
    }
    for (const id of closed) gone.delete(id);
    if (opened.length > 0) told?.(opened.map(([id]) => id));
  };

  const report = async (): Promise<void> => {
    const taken = take();
    const { full, opened, closed } = taken;
    if (!full && opened.length + closed.length + seen.size + denied.size + decisions.length === 0) return;
    seen = new Map();
    denied = new Map();
    decisions = [];
    kinds.allow = kinds.deny = 0;
    sampled = new Set();
    const { status } = await send({
      incarnation,
      ...(full ? { full: true } : {}),
      opened: opened.map(([, session]) => session),
      closed,
      seen: [...taken.seen].map(([thingName, at]) => ({ thingName, at: new Date(at).toISOString() })),
      denied: Object.fromEntries(taken.denied),
      decisions: taken.decisions,
    });
    if (status >= 200 && status < 300) return settle(taken);
    // Whether it arrived is not known, or the control plane knows nothing of this run: everything is said again.
    if (status !== 429) isFull = true;
    for (const [name, at] of taken.seen) if (!seen.has(name) && seen.size < most.seen) seen.set(name, at);
    for (const [why, count] of taken.denied) countDenied(why, count);
  };

  const countDenied = (why: string, count: number): void => {
    if (denied.has(why) || denied.size < most.reasons) denied.set(why, Math.min((denied.get(why) ?? 0) + count, 1e9));
  };

  const loop = (): void => {
    const again = (): void => {
      if (!ended) timer = timers.set(loop, everyMs);
    };
    void report().then(again, again);
  };
  timer = timers.set(loop, everyMs);

  return {
    opened(session: Session): void {
      const shown = show(session);
      live.set(session.id, shown);
      unknown.set(session.id, shown);
    },

    closed(id: string): void {
      live.delete(id);
      if (!unknown.delete(id)) gone.add(id);
    },

    /** A device did something. */
    seen(thingName: string): void {
      if (seen.has(thingName) || seen.size < most.seen) seen.set(thingName, now());
    },

    /** Something was refused. */
    denied: (why: string): void => countDenied(why, 1),

    /** Takes a decision into the sample, where there is room for it. */
    sampled(thingName: string, ask: Ask, verdict: Verdict): void {
      const kind = verdict.allowed ? 'allow' : 'deny';
      if (kinds[kind] >= mostOfAKind || !isStorable(ask)) return;
      // One that is like another of this second says nothing new.
      const key = `${thingName} ${ask.action} ${ask.resource}`;
      if (sampled.has(key)) return;
      sampled.add(key);
      kinds[kind]++;
      decisions.push(showDecision(thingName, ask, verdict, now()));
    },

    /** Sends what there is, once, and then nothing any longer. */
    async close(): Promise<void> {
      ended = true;
      timers.clear(timer);
      await report().catch(() => {});
    },
  };
}

function* first<Item>(items: Iterable<Item>, count: number): Generator<Item> {
  let taken = 0;
  for (const item of items) {
    if (taken++ >= count) return;
    yield item;
  }
}

function show({ id, protocol, sourceIp, clientId, fingerprint, connectedAt, guest }: Session): Opened {
  return {
    id,
    thingName: guest().thingName,
    protocol,
    sourceIp,
    connectedAt: new Date(connectedAt).toISOString(),
    ...(clientId === undefined ? {} : { clientId: shorten(clientId) }),
    ...(fingerprint === undefined ? {} : { fingerprint }),
  };
}

/** Half a pair of UTF-16 at the end would not be text. */
function shorten(text: string): string {
  return text.slice(0, longestText).replace(/[\uD800-\uDBFF]$/, '');
}

function showDecision(thingName: string, ask: Ask, verdict: Verdict, at: number): object {
  const { action, resource, context = {} } = ask;
  const { allowed, statement, refusal } = verdict;
  return {
    at: new Date(at).toISOString(),
    thingName,
    action,
    resource,
    context,
    decision: allowed ? 'allow' : 'deny',
    reason: statement?.id ?? refusal ?? 'cannot-decide',
    ...(statement ? { policy: statement.policy } : {}),
  };
}

function isStorable({ resource, context }: Ask): boolean {
  const isFit = (text: string): boolean => text.length <= longestText && !/[\0\p{Cs}]/u.test(text);
  return isFit(resource) && isFit(context?.clientId ?? '');
}
