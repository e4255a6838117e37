import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../../clock.js';
import type { AgentOptions } from '../agent.js';
import { openFolder } from '../folder.js';
import { trustOf } from '../trust.js';
import { connectEdge, type EdgeAddress } from './connection.js';
import { openLine, type Line } from './mqtt-line.js';
import { createObeyer, type Answer } from './obey.js';

/** Which edge commands come from, and what is run for them. */
export type Serving = {
  edge: EdgeAddress;
  /** PEM: who may have issued the certificate of the edge; by default whom the server is believed by. */
  edgeCa?: string | undefined;
  clientId?: string | undefined;
  program: string;
  programMs: number;
  tell(event: object, text: string): void;
  complain(text: string): void;
};

const retryMs = { first: 1000, most: 60_000 };
const steadyMs = 60_000;
const mostAnswers = 200;

/** Takes commands from an edge, and answers them, until the process ends. Where the connection breaks, it is made again. */
export async function serveCommands(options: AgentOptions, serving: Serving): Promise<never> {
  const { tell, complain } = serving;
  const { account, name } = openFolder(options.out).requireIdentity().state.thing;
  const prefix = `${account}/${name}/commands/`;
  const answers: Answer[] = [];
  let line: Line | undefined;

  const flush = async (): Promise<void> => {
    for (const answer of [...answers])
      if (await line?.publish(answer.topic, answer.payload)) answers.splice(answers.indexOf(answer), 1);
  };
  const obeyer = createObeyer({
    prefix,
    program: serving.program,
    ms: serving.programMs,
    now: () => serverNow(options),
    answer(answer) {
      answers.push(answer);
      // The oldest is the least likely to be of use.
      if (answers.length > mostAnswers) answers.shift();
      void flush();
    },
    tell,
  });

  for (let failures = 0; ;) {
    const began = performance.now();
    try {
      const socket = await dial(options, serving);
      line = openLine(socket, {
        clientId: serving.clientId ?? name,
        filter: `${prefix}+`,
        ready() {
          tell({ connected: true }, 'connected to the edge: commands are taken');
          void flush();
        },
        message: obeyer.take,
      });
      throw await line.over;
    } catch (error) {
      if (performance.now() - began >= steadyMs) failures = 0;
      const ms = spread(Math.min(retryMs.first * 2 ** failures++, retryMs.most));
      complain(`commands: ${(error as Error).message}; connecting again in ${Math.ceil(ms / 1000)} s`);
      await sleep(ms);
    }
  }
}

/** The files are read each time: a renewal may have replaced them. */
async function dial(options: AgentOptions, { edge, edgeCa }: Serving) {
  const folder = openFolder(options.out);
  const [cert, key] = ['device.crt', 'device.key'].map((file) => readFileSync(join(options.out, file), 'utf8'));
  const trust = edgeCa === undefined ? trustOf(options, folder) : { ca: edgeCa };
  return connectEdge(edge, { cert: cert!, key: key! }, trust);
}

function serverNow(options: AgentOptions): number {
  const { clockOffset } = openFolder(options.out).requireIdentity().state;
  return (options.clock ?? systemClock)().getTime() + clockOffset * 1000;
}

/** Up to a half less or more, so that devices that lost the same edge do not return together. */
const spread = (ms: number): number => Math.round(ms / 2) + randomInt(ms);
