import { createHmac, hkdfSync, randomUUID } from 'node:crypto';
import { addSeconds, type Clock } from '../clock.js';
import { DomainError } from '../errors.js';
import { mostOfAccount, tooMany } from '../limits.js';
import type { Witness } from '../origin.js';
import { createSealer } from '../sealing.js';
import type { IdempotencyStore } from './store.js';

/** A request that must not take effect twice. */
export type Repeatable = {
  account: string;
  /** The credential, method and path: another of these is another request. */
  scope: string;
  /** As the client chose it. It is never stored. */
  key: string;
  body: string;
};

/** What was answered, in whole. */
export type KeptAnswer = { status: number; headers: Record<string, string>; body: string };

/** A request that is under way: nobody else carries it out until it is kept or given up. */
export type Claim = { id: Buffer; claim: string; answerKey: Buffer };

/** An answer is given again for so long. */
const keptSeconds = 24 * 3600;
/** An instance that has not answered by then has died. HAZARD: a request that takes longer could be carried out twice. */
const claimSeconds = 120;
/** Larger answers are not kept. */
const mostAnswerBytes = 256 * 1024;
const sealedAs = 'answer';

export type IdempotencyKeeper = ReturnType<typeof createIdempotencyKeeper>;

/** Answers again what was answered before, whichever instance did. */
export function createIdempotencyKeeper({ store, clock }: { store: IdempotencyStore; clock: Clock }) {
  return {
    /**
     * Begins a request, or returns what was answered to it.
     * @throws DomainError `idempotency-in-progress`, `idempotency-answer-lost`, `idempotency-mismatch`, `too-many-requests`
     */
    async begin({ account, scope, key, body }: Repeatable): Promise<Claim | KeptAnswer> {
      const derive = (purpose: string) => Buffer.from(hkdfSync('sha256', key, scope, `thingward ${purpose}`, 32));
      const id = derive('idempotency id');
      const answerKey = derive('idempotency answer');
      const bodyMark = createHmac('sha256', derive('idempotency body')).update(body).digest();
      const at = clock();
      const claim = randomUUID();
      const until = { claimedUntil: addSeconds(at, claimSeconds), expiresAt: addSeconds(at, keptSeconds) };
      if (await store.claim({ id, account, bodyMark, claim, at, ...until })) return { id, claim, answerKey };

      const found = await store.find(id);
      if (!found) {
        const most = mostOfAccount.idempotencyKeys;
        throw tooMany('kept answers', most, 'send Idempotency-Key only where a repeat would do harm');
      }
      if (!bodyMark.equals(found.bodyMark))
        throw new DomainError(
          'idempotency-mismatch',
          'this Idempotency-Key was sent with another body: choose a new one for another request',
        );
      if (!found.answer) throw found.made && found.claimedUntil <= at ? answerLost() : underWay();
      return JSON.parse(createSealer(answerKey).open(found.answer, sealedAs).toString()) as KeptAnswer;
    },

    /** Keeps what a request was answered, unless somebody else has taken the request over. */
    async keep({ id, claim, answerKey }: Claim, answer: KeptAnswer): Promise<void> {
      const bytes = Buffer.from(JSON.stringify(answer));
      if (bytes.length > mostAnswerBytes) return store.drop(id, claim, clock());
      await store.keep(id, claim, createSealer(answerKey).seal(bytes, sealedAs));
    },

    /** Lets a request be carried out again: it was refused. What it has made already stays known. */
    giveUp: ({ id, claim }: Claim): Promise<void> => store.drop(id, claim, clock()),

    /** Notes in the transaction of a change that the change is made, unless somebody else has taken the request over. */
    witness:
      ({ id, claim }: Claim): Witness =>
      async (tx) => {
        if (!(await store.markMade(tx, id, claim))) throw underWay();
      },
  };
}

const underWay = () =>
  new DomainError(
    'idempotency-in-progress',
    'the same request is under way: send it again after Retry-After, with the same Idempotency-Key',
    { retryAfter: 1 },
  );

const answerLost = () =>
  new DomainError(
    'idempotency-answer-lost',
    'this request was carried out, but its answer was lost: look up what it made, then use another Idempotency-Key',
  );
