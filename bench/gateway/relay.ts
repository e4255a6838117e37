import { startRelay } from '../../test/support/edge/relay.js';
import { pause } from '../edge/stage.js';

export type CountingRelay = Awaited<ReturnType<typeof countingRelay>>;

/** A relay before a port, which knows how many octets have passed, both ways. Headers of TCP and IP are not among them. */
export async function countingRelay(port: number) {
  let octets = 0;
  const { stop, port: own } = await startRelay(port, (passing) => void (octets += passing.length));
  return { port: own, stop, octets: () => octets };
}

/** Octets that pass while something is done. */
export async function cost(relay: CountingRelay, work: () => Promise<unknown>): Promise<number> {
  const before = relay.octets();
  await work();
  await pause(100);
  return relay.octets() - before;
}
