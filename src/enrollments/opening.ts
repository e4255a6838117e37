import { randomUUID } from 'node:crypto';
import { addSeconds } from '../clock.js';
import type { Origin } from '../origin.js';
import type { NewEnrollment } from './schema.js';
import type { StoredEnrollment } from './store.js';

const lifeSeconds = 30 * 86_400;
const checkMs = 5000;

/** An enrollment that admits nobody yet, for one use. */
export function blankEnrollment(account: string, origin: Origin, createdAt: Date) {
  return {
    id: randomUUID(),
    account,
    policies: [],
    thingType: null,
    maxUses: 1,
    uses: 0,
    sourceCidrs: [],
    attributes: {},
    deviceAttributes: [],
    segment: null,
    reenrollsThingId: null,
    reenrollReason: null,
    bringsBack: false,
    movesKeys: false,
    approval: null,
    renewGraceSeconds: null,
    certificateSeconds: null,
    checkUrl: null,
    checkTimeoutMs: null,
    checkSecretSealed: null,
    expectedOnly: false,
    kind: null,
    caProved: false,
    createdAt,
    createdBy: origin.actor,
    revokedAt: null,
  };
}

type Opening = { account: string; origin: Origin; at: Date };

/** What a request opens. `seal` seals the secret of its check for the enrollment of an id. */
export function openedBy(
  { account, origin, at }: Opening,
  { policy: _, check, ca: __, ...request }: NewEnrollment & { policies: string[] },
  seal: (id: string) => Buffer | null,
): StoredEnrollment {
  const blank = blankEnrollment(account, origin, at);
  return {
    ...blank,
    ...given(request),
    thingNamePattern: request.thingNamePattern,
    expiresAt: expiryOf(request, at),
    ...(check && {
      checkUrl: check.url,
      checkTimeoutMs: check.timeoutMs ?? checkMs,
      checkSecretSealed: seal(blank.id),
    }),
  };
}

/** The members that have a value. */
function given<Members extends object>(members: Members): { [Name in keyof Members]: NonNullable<Members[Name]> } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as never;
}

/** A forgotten token does no harm after a month. */
function expiryOf({ expiresAt }: Pick<NewEnrollment, 'expiresAt'>, at: Date): Date | null {
  if (expiresAt === 'never') return null;
  return expiresAt === undefined ? addSeconds(at, lifeSeconds) : new Date(expiresAt);
}
