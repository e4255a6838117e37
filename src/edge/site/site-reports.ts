import type { Timers } from '../proxy/sessions.js';
import type { MachineState } from './machine.js';

/** What pipelines did so far, since each version runs. */
export type PipelinesSoFar = {
  taken(): { name: string; version: number; messages: number; busyMs: number; things: number }[];
  /** Messages that were published, by the type of their thing; under an empty name all others. */
  types(): ReadonlyMap<string, number>;
};

/** What passed so far, since the edge runs. */
export type Traffic = { octets: number; messages: number };

type Options = {
  /** Posts a report to `/v1/proxies/{id}/site`. Never throws. */
  send(report: object): Promise<unknown>;
  machine(): Promise<MachineState>;
  traffic(): Promise<Traffic>;
  sessions(): number;
  /** What pipelines took so far, and what things of each type published; undefined where none can run. */
  pipelines: PipelinesSoFar | undefined;
  /** Bits a second that the settings give to this edge. */
  bandwidth: number | undefined;
  timers: Timers;
  monotonic(): number;
};

// Soon after the start there is a share of a second to speak of.
const firstMs = 1000;
const everyMs = 10_000;

/** Tells the control plane every ten seconds what the machine has, and what of it is in use. */
export function createSiteReports(options: Options) {
  const { send, machine, traffic, sessions, pipelines, bandwidth, timers, monotonic } = options;
  let before: (Traffic & { at: number }) | undefined;
  let timer: unknown;
  let ended = false;

  const rateOf = createRates();

  const rates = async (): Promise<{ bandwidth: number; messages: number }> => {
    const now = { ...(await traffic()), at: monotonic() };
    const seconds = before ? (now.at - before.at) / 1000 : 0;
    const rate = (count: number): number => (seconds > 0 ? Math.max(0, count / seconds) : 0);
    const [octets, messages] = before ? [now.octets - before.octets, now.messages - before.messages] : [0, 0];
    before = now;
    return { bandwidth: rate(8 * octets), messages: rate(messages) };
  };

  const report = async (): Promise<void> => {
    const { capacity, load } = await machine();
    const passed = await rates();
    const { published, running } = pipelines
      ? runningOf(pipelines, rateOf(monotonic()))
      : { published: 0, running: { pipelines: [] } };
    // A decision that is remembered was made once, and holds for many messages.
    const messages = Math.max(passed.messages, published);
    const uses = { ...load, ...passed, messages, sessions: sessions(), ...running };
    const has = { ...capacity, ...(bandwidth === undefined ? {} : { bandwidth }), pipelines: pipelines !== undefined };
    if (!ended) await send({ capacity: has, load: uses });
  };

  const loop = (): void => {
    const again = (): void => {
      if (!ended) timer = timers.set(loop, everyMs);
    };
    void report().then(again, again);
  };
  // The first reading is what later ones are compared with.
  void Promise.all([machine(), rates()]).catch(() => {});
  timer = timers.set(loop, firstMs);

  return {
    close(): void {
      ended = true;
      timers.clear(timer);
    },
  };
}

type RateOf = (key: string, count: number) => number;

/** Turns what was counted so far into how much that was a second since the last reading. What begins again counts from nothing. */
function createRates(): (at: number) => RateOf {
  let before: { at: number; counts: ReadonlyMap<string, number> } | undefined;
  return (at) => {
    const last = before;
    const seconds = last ? (at - last.at) / 1000 : 0;
    const counts = new Map<string, number>();
    before = { at, counts };
    return (key, count) => {
      counts.set(key, count);
      if (!last || seconds <= 0) return 0;
      const counted = last.counts.get(key) ?? 0;
      return (counted <= count ? count - counted : count) / seconds;
    };
  };
}

const mostPipelines = 1000;
const mostTypes = 100;

function runningOf({ taken, types }: PipelinesSoFar, rateOf: RateOf) {
  const pipelines = taken().map(({ name, version, messages, busyMs, things }) => ({
    name,
    version,
    messages: rateOf(`messages ${version} ${name}`, messages),
    cpu: rateOf(`busy ${version} ${name}`, busyMs) / 1000,
    things,
  }));
  const rates = [...types()].map(([type, count]) => ({ type, messages: rateOf(`type ${type}`, count) }));
  rates.sort((a, b) => b.messages - a.messages);
  const named = rates.filter(({ type }) => type !== '').slice(0, mostTypes);
  const published = rates.reduce((sum, { messages }) => sum + messages, 0);
  return { published, running: { pipelines: pipelines.slice(0, mostPipelines), types: named } };
}
