import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentOptions } from '../agent.js';
import { openFolder } from '../folder.js';
import { trustOf } from '../trust.js';
import { connectEdge, type EdgeAddress } from './connection.js';
import type { Greeting } from './greeting.js';
import { openLine, type Ended, type Line } from './line.js';

/** Which edge a device speaks with. */
export type Edge = {
  address: EdgeAddress;
  /** PEM: who may have issued the certificate of the edge; by default whom the server is believed by. */
  ca?: string | undefined;
  clientId?: string | undefined;
  /** 10 to 3600. */
  keepAliveSeconds: number;
};

/** Who uses the line, and hears of it. */
export type LineUser = {
  filter?: string | undefined;
  ready(line: Line, greeting: Greeting): void;
  over(ended: Ended): void;
  subscribed(isAllowed: boolean): void;
  message(topic: string, payload: Buffer): void;
  complain(text: string): void;
};

const retryMs = { first: 1000, most: 60_000 };
const steadyMs = 60_000;

/** Keeps a line to an edge. Where it breaks, it is made again. */
export function createLineKeeper(options: AgentOptions, edge: Edge, user: LineUser) {
  const stopping = new AbortController();
  let line: Line | undefined;
  let waking = new AbortController();
  let isAsked = false;

  /** Resolves with why a connection did not stand any longer. */
  const useOnce = async (): Promise<Ended> => {
    try {
      const socket = await dial(options, edge);
      const opened = openLine(socket, {
        clientId: edge.clientId ?? openFolder(options.out).requireIdentity().state.thing.name,
        keepAliveSeconds: edge.keepAliveSeconds,
        filter: user.filter,
        ready: (greeting) => user.ready(opened, greeting),
        subscribed: user.subscribed,
        message: user.message,
      });
      line = opened;
      if (stopping.signal.aborted) opened.close();
      return await opened.over;
    } catch (error) {
      return { error: error as Error };
    } finally {
      line = undefined;
    }
  };

  return {
    /** Keeps the line until `stop`. */
    async run(): Promise<void> {
      for (let failures = 0; !stopping.signal.aborted;) {
        const began = performance.now();
        const ended = await useOnce();
        user.over(ended);
        if (performance.now() - began >= steadyMs || isAsked) failures = 0;
        if (stopping.signal.aborted) return;
        if (!isAsked) {
          const ms = spread(Math.min(retryMs.first * 2 ** failures++, retryMs.most));
          user.complain(`edge: ${ended.error.message}; connecting again in ${Math.ceil(ms / 1000)} s`);
          waking = new AbortController();
          await sleep(ms, undefined, { signal: AbortSignal.any([waking.signal, stopping.signal]) }).catch(() => {});
        }
        isAsked = false;
      }
    },

    /** Connects again at once: the certificate is another. */
    again(): void {
      isAsked = line !== undefined;
      line?.close();
      waking.abort();
    },

    stop(): void {
      stopping.abort();
      line?.close();
    },
  };
}

/** The files are read each time: a renewal may have replaced them. */
async function dial(options: AgentOptions, { address, ca }: Edge) {
  const folder = openFolder(options.out);
  const [cert, key] = ['device.crt', 'device.key'].map((file) => readFileSync(join(options.out, file), 'utf8'));
  const trust = ca === undefined ? trustOf(options, folder) : { ca };
  return connectEdge(address, { cert: cert!, key: key! }, trust);
}

/** Up to a half less or more, so that devices that lost the same edge do not return together. */
const spread = (ms: number): number => Math.round(ms / 2) + randomInt(ms);
