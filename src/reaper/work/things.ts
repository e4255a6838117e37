import { createEffectiveRights } from '../../authorize/effective-rights.js';
import { createJudge, type Asker, type Refusal, type Subject } from '../../authorize/judge.js';
import { toKnown } from '../../authorize/rights.js';
import type { FollowedLog } from '../../edge/decider/parts.js';
import { parseCursor } from '../../log/cursor.js';
import type { Right } from '../../policy/rights/rights.js';
import { digestOf, type Digest } from './rights.js';

/** A thing as `POST /v1/edge/things` shows it. */
export type ShownThing = {
  thingName: string;
  thingId: string;
  type: string | null;
  attributes: Record<string, string>;
  policies: string[];
  segment: string | null;
  status: string;
  gen: number;
  serialNumber: string | null;
  notAfter: string | null;
  live: boolean;
  revoked: number | null;
};

/** What a thing may do now, and until when that is so unless something changes. */
export type Standing = {
  thingName: string;
  /** Why it may not be here at all. */
  barred: Refusal | 'no-certificate' | 'account-suspended' | undefined;
  rights: Digest;
  list: { allow: Right[]; deny: Right[] };
  /** Milliseconds since 1970 by the followed clock; Infinity for what no time ends. */
  until: number;
  /** The place in the log where one of its certificates was revoked or held last. */
  revoked: number;
  /** The place in the log that this is true at. */
  position: number;
};

export type Things = ReturnType<typeof createThings>;

const atOnce = 500;
const mostPages = 10_000;
const noContext = {};

/** Asks the control plane about things by their names, and judges them by the policies that are followed. */
export function createThings(log: FollowedLog) {
  const { snapshot, cursor, account } = log;
  const judge = createJudge({ snapshot, cursor, validitySeconds: { others: 60, followers: 60 } });
  const effective = createEffectiveRights({ judge, snapshot, cursor });

  const refusalOf = ({ status, live, notAfter }: ShownThing): Standing['barred'] => {
    if (log.isSuspended()) return 'account-suspended';
    if (status === 'suspended') return 'thing-suspended';
    if (status !== 'active') return 'thing-revoked';
    if (notAfter === null || !live) return 'no-certificate';
    return Date.parse(notAfter) <= log.now() ? 'certificate-expired' : undefined;
  };

  const subjectOf = (shown: ShownThing, position: number): Subject => {
    const until = Date.parse(shown.notAfter ?? '') || 0;
    const row = {
      ...shown,
      account: account(),
      name: shown.thingName,
      fingerprint: '',
      serialNumber: shown.serialNumber ?? '',
      notAfter: new Date(until),
      reason: null,
      otherRevoked: false,
    };
    const { thingId, name, rights } = toKnown(snapshot, row, position);
    return { thingId, account: row.account, name, rights, until, refresh: false };
  };

  const judged = (shown: ShownThing, position: number): Standing => {
    const { thingName } = shown;
    const barred = refusalOf(shown);
    const revoked = shown.revoked ?? 0;
    const nothing = { list: { allow: [], deny: [] }, rights: { allow: [], deny: [] }, until: Infinity };
    if (barred) return { thingName, barred, revoked, position, ...nothing };
    const asker: Asker = { account: account(), promises: { ...log.promises(), inUrl: false } };
    const until = Date.parse(shown.notAfter!);
    try {
      const { allow, deny, endsAt } = effective(asker, subjectOf(shown, position), noContext, log.now());
      const list = { allow, deny };
      return { thingName, barred, revoked, position, list, rights: digestOf(list), until: Math.min(until, endsAt) };
    } catch {
      // More rights than a list has: any change counts as a loss.
      return { thingName, barred, revoked, position, list: nothing.list, rights: undefined, until };
    }
  };

  return {
    /**
     * What is known of things now, at a place in the log or after it, once that is followed here: a name that is missing is no thing
     * of the account, and never was. @throws Error while the control plane is away
     */
    async standings(names: readonly string[], atLeast: string): Promise<Map<string, Standing>> {
      const found = new Map<string, Standing>();
      for (let from = 0; from < names.length; from += atOnce) {
        const asked = names.slice(from, from + atOnce);
        const { things, cursor: at } = await log.post<{ things: (ShownThing | null)[]; cursor: string }>(
          '/v1/edge/things',
          { names: asked, atLeast },
        );
        // Policies must be those of the same place, or of a later one.
        await log.reach(at);
        const { position } = parseCursor(at);
        for (const shown of things) if (shown) found.set(shown.thingName, judged(shown, position));
      }
      return found;
    },

    /** The names of all things of the account. @throws Error while the control plane is away */
    async names(): Promise<string[]> {
      const names: string[] = [];
      let path: string | undefined = '/v1/edge/things';
      for (let pages = 0; path !== undefined && pages < mostPages; pages++) {
        const page: { things: ShownThing[]; next?: string } = await log.get(path);
        names.push(...page.things.map(({ thingName }) => thingName));
        path = page.next;
      }
      return names;
    },
  };
}
