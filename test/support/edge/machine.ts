import { setTimeout as sleep } from 'node:timers/promises';
import type { Wait } from '../../../src/edge/decider/control-plane.js';

/** The machine of an edge, whose clocks and connections a test holds in its hands. */
export function createMachine() {
  let ms = 1_000_000;
  let wallOffset = Date.now() - ms;
  let isAway = false;
  let connections = new AbortController();
  const answers: ((path: string, text: string) => string)[] = [];

  /** Attempts follow each other at once; nobody waits for a first word that will not come. */
  const wait: Wait = async (_ms, signal, until) => {
    do await sleep(5, undefined, { signal });
    while (until === 'first word' && !isAway);
  };

  const throughTheWire: typeof fetch = async (input, init = {}) => {
    if (isAway) throw new TypeError('fetch failed', { cause: new Error('connect ECONNREFUSED') });
    const signal = AbortSignal.any([connections.signal, ...(init.signal ? [init.signal] : [])]);
    const answer = await fetch(input, { ...init, signal });
    const isStream = answer.headers.get('content-type')?.startsWith('text/event-stream');
    if (isStream || answers.length === 0) return answer;
    const path = new URL(input).pathname;
    const text = answers.reduce((said, change) => change(path, said), await answer.text());
    return new Response(text, { status: answer.status, headers: answer.headers });
  };

  return {
    /** For createDecider. */
    clocks: { now: () => ms, wall: () => ms + wallOffset, fetch: throughTheWire, wait },
    pass: (byMs: number) => void (ms += byMs),
    /** Sets the wall clock of the machine, and nothing else. */
    setWall: (byMs: number) => void (wallOffset += byMs),
    /** Cuts every connection; nobody answers until `comeBack`. */
    goAway(): void {
      isAway = true;
      connections.abort();
      connections = new AbortController();
    },
    comeBack: () => void (isAway = false),
    /** Cuts every connection; the next one is answered. */
    breakOff(): void {
      connections.abort();
      connections = new AbortController();
    },
    /** What the server says arrives otherwise. */
    change: (by: (path: string, text: string) => string) => void answers.push(by),
  };
}
