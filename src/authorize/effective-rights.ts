import { DomainError } from '../errors.js';
import type { Context } from '../policy/condition.js';
import { mostRights, rightsOf, type Right } from '../policy/rights/rights.js';
import type { Asker, Judge, Refusal, Subject } from './judge.js';
import type { Snapshot } from './snapshot.js';

/** What a principal may do now, in one list. */
export type EffectiveRights = {
  allow: Right[];
  deny: Right[];
  /** Why nothing is allowed, where that is not for the policies to say. */
  refusal: Refusal | undefined;
  /** Milliseconds since 1970. */
  validUntil: number;
  /** When the list or the credential ends, if nothing is revoked or changed before. */
  endsAt: number;
  /** The place in the log that it was made from. */
  cursor: string;
};

type Deps = { judge: Judge; snapshot: Pick<Snapshot, 'segment' | 'documents' | 'weightOf'>; cursor(): string };

// Windows repeat every week: whatever ends later than this ends for another reason.
const horizonMs = 8 * 86_400_000;
/** Of policies with more parts, as in docs/limits.md, no list is made: others would wait for it. */
const mostListedWeight = 40_000;
const everything: Right[] = [{ action: '*', resource: '*' }];

/** Makes the lists of rights from what decisions are made from. */
export function createEffectiveRights({ judge, snapshot, cursor }: Deps) {
  const nothing = (asker: Asker, refusal: Refusal, now: number): EffectiveRights => {
    const { validUntil } = judge.refuse(asker, refusal, now);
    return { allow: [], deny: everything, refusal, validUntil, endsAt: validUntil, cursor: cursor() };
  };

  /**
   * What a subject may do at an instant, as far as a context says what decides.
   * @throws DomainError `conflict` when the list would be too long
   */
  return (asker: Asker, subject: Subject | Refusal, context: Context, now: number): EffectiveRights => {
    if (typeof subject === 'string') return nothing(asker, subject, now);
    const { rights, account, until } = subject;
    const segment = rights.segment === null ? undefined : snapshot.segment(account, rights.segment);
    if (rights.segment !== null && !segment) return nothing(asker, 'outside-segment', now);
    const isSaid = context.sourceIp !== undefined && context.protocol !== undefined;
    if (segment && isSaid && !segment.holds(context)) return nothing(asker, 'outside-segment', now);
    const documents = snapshot.documents(rights.policies).map(({ document }) => document);
    const known = { context, at: now, horizon: now + horizonMs, within: segment?.condition };
    const isLight = snapshot.weightOf(rights.policies) <= mostListedWeight;
    const list = isLight ? rightsOf(documents, rights.principal, known) : undefined;
    if (!list)
      throw new DomainError(
        'conflict',
        `the thing has more than ${mostRights} rights, or policies of more than ${mostListedWeight} parts: ask POST /v1/authorize about single ones, or give it smaller policies`,
      );
    const validUntil = Math.min(judge.lastingUntil(asker, now), until, list.changesAt);
    const endsAt = Math.min(until, list.changesAt);
    return { allow: list.allow, deny: list.deny, refusal: undefined, validUntil, endsAt, cursor: cursor() };
  };
}
