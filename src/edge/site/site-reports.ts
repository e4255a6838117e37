import type { Timers } from '../proxy/sessions.js';
import type { MachineState } from './machine.js';

/** What passed so far, since the edge runs. */
export type Traffic = { octets: number; messages: number };

type Options = {
  /** Posts a report to `/v1/proxies/{id}/site`. Never throws. */
  send(report: object): Promise<unknown>;
  machine(): Promise<MachineState>;
  traffic(): Promise<Traffic>;
  sessions(): number;
  /** The pipelines that run. */
  pipelines(): { name: string; version: number }[];
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
    const uses = { ...load, ...(await rates()), sessions: sessions(), pipelines: pipelines() };
    const has = bandwidth === undefined ? capacity : { ...capacity, bandwidth };
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
