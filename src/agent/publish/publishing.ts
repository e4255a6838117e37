import { openJournal } from '../../journal/journal.js';
import type { AgentOptions } from '../agent.js';
import { LaterError } from '../errors.js';
import { openFolder } from '../folder.js';
import { signDetached, thumbprintOf } from '../jws.js';
import type { Greeting } from '../line/greeting.js';
import type { Ended, Line } from '../line/line.js';
import { createServerClock } from '../server-time.js';
import type { BatchRule, SignBatch } from './batches.js';
import { openInputs, type Inputs } from './inputs.js';
import { createOutbox } from './outbox.js';
import { createBatches, createSingles } from './parcels.js';
import { createRemark } from './remark.js';
import { createSender } from './sender.js';

/** Where messages come from, where they wait, and how they leave. */
export type Publishing = Inputs & {
  queue: { folder: string; bytes: number; fsync: boolean; whenFull: 'drop-oldest' | 'refuse' };
  batch?: BatchRule | undefined;
  sign: boolean;
  /** It is over when stdin is and the queue is empty. */
  exitWhenEmpty: boolean;
};

const lookMs = 50;

/** Opens the queue, and takes messages into it. It publishes them by the line that it is told to use. @throws AgentError */
export async function openPublishing(options: AgentOptions, wanted: Publishing) {
  const { thing, queue, batch, exitWhenEmpty, tell, complain } = wanted;
  const now = createServerClock(options);
  const journal = await openQueue(queue, now);
  let isOver = false;
  const sign = wanted.sign ? signBatches(options, now) : undefined;
  const lost = createRemark((count, text) =>
    complain(`${count === 1 ? 'a message was' : `${count} messages were`} not published: ${text}`),
  );
  const outbox = createOutbox({
    journal,
    maxBytes: queue.bytes,
    whenFull: queue.whenFull,
    now,
    onKept: () => sender.wake(),
  });
  const parcels = batch
    ? createBatches(outbox, { thing, rule: batch, sign, now, isOver: () => isOver })
    : createSingles(outbox);
  const sender = createSender({ outbox, parcels, gaveUp: lost.add });
  const counts = () => {
    const [queued, published] = [outbox.counts(), sender.counts()];
    return { ...queued, ...published, damaged: queued.damaged + published.damaged };
  };
  const inputs = await openInputs({ ...wanted, outbox, counts });

  const drain = async (): Promise<void> => {
    await inputs.stdinOver;
    isOver = exitWhenEmpty;
    sender.wake();
    if (!exitWhenEmpty) return new Promise(() => {});
    while (!outbox.isEmpty()) await new Promise((resolve) => setTimeout(resolve, lookMs));
  };

  return {
    use: (line: Line, greeting: Greeting): void => sender.use(line, greeting),
    stop: (ended: Ended): void => sender.stop(ended),
    /** Resolves when everything is published, with `exitWhenEmpty`. @throws Error where the queue cannot be read or written */
    over: Promise.race([drain(), sender.failed]),
    async close(): Promise<void> {
      inputs.close();
      lost.flush();
      const { sent, denied, tooLarge, dropped } = counts();
      tell({ ended: true, ...counts() }, `${sent} messages were published, ${denied + tooLarge + dropped} were not`);
      await journal.close();
    },
  };
}

async function openQueue({ folder, bytes, fsync, whenFull }: Publishing['queue'], now: () => number) {
  try {
    return await openJournal(folder, { maxBytes: bytes, whenFull, fsync, now });
  } catch (error) {
    throw new LaterError(
      `the queue ${folder} cannot be used (${(error as Error).message}): end the other agent, or name another folder with --queue`,
    );
  }
}

/** The files are read each time: a renewal may have replaced them. */
function signBatches({ out }: AgentOptions, now: () => number): SignBatch {
  return (id, payload) => {
    const folder = openFolder(out);
    const { certificate } = folder.requireIdentity();
    const kid = certificate.serialNumber.toLowerCase();
    const header = { kid, 'x5t#S256': thumbprintOf(certificate), iat: Math.floor(now() / 1000), id };
    return signDetached(folder.deviceKey(), header, payload);
  };
}
