import { eachPromise } from '../../../src/access/grantee.js';
import { createJudge, type Verdict } from '../../../src/authorize/judge.js';
import { createSnapshot } from '../../../src/authorize/snapshot.js';
import type { Ask, Barred, Gate, Guest, Shown } from '../../../src/edge/gate.js';
import type { Statement } from '../../../src/policy/document.js';
import { parsePolicy } from '../../../src/policy/policy.js';
import { createPrincipal } from '../../../src/policy/variables.js';

const account = 'acme';
const epoch = Date.UTC(2026, 0, 1);

/** A statement, with what does not matter to a test filled in. */
export type Written = Omit<Statement, 'id' | 'condition'> & { id?: string; condition?: Statement['condition'] };

export const allow = (actions: string[], resources: string[], condition?: Statement['condition']): Written => ({
  effect: 'allow',
  actions,
  resources,
  ...(condition ? { condition } : {}),
});
export const deny = (actions: string[], resources: string[]): Written => ({ effect: 'deny', actions, resources });

/** A device may connect by its name, and do anything with topics. */
export const everything = [
  allow(['connect'], ['client:${thing.name}']),
  allow(['publish', 'subscribe', 'receive'], ['topic:#', 'topic:$SYS/#']),
];

/** A certain thing has the rights of some statements. The token is its name. */
type Holder = { name: string; status: string; segment: string | null };

/**
 * A gate over the real judge and the real snapshot, for tests of what stands behind it: no server and no stream, and a clock
 * that a test sets.
 */
export function createTestGate(statements: readonly Written[] = everything, now: () => number = () => epoch) {
  const snapshot = createSnapshot();
  const judge = createJudge({
    snapshot,
    cursor: () => 'e:1',
    validitySeconds: { others: 5, followers: 3600 },
  });
  const asker = { account, promises: { ...eachPromise(false), followsFeed: true } };
  const holders = new Map<string, Holder>();
  const asked: { ask: Ask; allowed: boolean }[] = [];
  let away: Barred | undefined;
  let expiresAt = Infinity;

  const grant = (written: readonly Written[]): void => {
    const named = written.map((statement, index) => ({ id: `s${index}`, ...statement }));
    const document = parsePolicy({ name: 'p', statements: named });
    snapshot.load({
      policies: [{ account, name: 'p', version: 1, document }],
      segments: [
        {
          account,
          name: 'slow',
          cidr: '0.0.0.0/0',
          allowedProtocols: ['MQTT'],
          trafficPolicy: {
            connectionLimit: 2,
            bandwidthLimit: '1Mbps',
            rateLimit: { requestsPerSecond: 1, burst: 2 },
          },
        },
      ],
      recent: [],
    });
  };
  grant(statements);

  const holderOf = (name: string): Holder => {
    const known = holders.get(name) ?? { name, status: 'active', segment: null };
    holders.set(name, known);
    return known;
  };

  const guestOf = (name: string): Guest => ({
    account,
    thingName: name,
    thingId: `id of ${name}`,
    fingerprint: 'f0',
    expiresAt,
    byToken: true,
  });

  const standing = ({ thingName, expiresAt: until }: Guest): Barred | undefined => {
    if (away) return away;
    if (until <= now()) return { barred: 'token-expired', detail: '' };
    return holderOf(thingName).status === 'active' ? undefined : { barred: 'thing-revoked', detail: '' };
  };

  const gate: Gate = {
    identify({ token, fingerprint }: Shown) {
      if (away) return Promise.resolve(away);
      if (token === undefined && fingerprint === undefined)
        return { barred: 'token-invalid', detail: 'no credentials' };
      if (token === 'wrong') return Promise.resolve<Barred>({ barred: 'token-invalid', detail: '' });
      const guest = guestOf(token?.split(' ')[0] ?? 'pump');
      return standing(guest) ?? guest;
    },
    judge(guest: Guest, ask: Ask): Verdict {
      const barred = standing(guest);
      const { name, segment } = holderOf(guest.thingName);
      const rights = {
        principal: createPrincipal({ account, thing: { name, attributes: {} } }),
        policies: snapshot.policySet(account, ['p']),
        segment,
      };
      const subject = { thingId: guest.thingId, account, name, rights, until: expiresAt, refresh: false };
      const verdict = barred
        ? judge.refuseFor(
            barred.barred === 'away' || barred.barred === 'refused' ? 'cannot-decide' : barred.barred,
            now(),
          )
        : judge.decideFor(asker, subject, ask, now());
      // A long test asks millions of times.
      if (asked.length < 10_000) asked.push({ ask, allowed: verdict.allowed });
      return verdict;
    },
    standing,
    review: (guest: Guest) => standing(guest) ?? ((ask: Ask) => gate.judge(guest, ask)),
    isGone: ({ thingName }) => holderOf(thingName).status === 'revoked',
    principalOf: ({ thingName }) => createPrincipal({ account, thing: { name: thingName, attributes: {} } }),
    segmentOf: ({ thingName }) => holderOf(thingName).segment ?? undefined,
    isIssued: () => true,
    now,
    trust: () => 'live',
    follow: () => {},
  };

  return {
    gate,
    /** Gives every thing the rights of other statements. */
    grant,
    /** What the gate was asked, in order. */
    asked,
    revoke: (name: string): void => void (holderOf(name).status = 'revoked'),
    join: (name: string, segment: string | null): void => void (holderOf(name).segment = segment),
    goAway: (barred: Barred | undefined): void => void (away = barred),
    /** Tokens shown from now on expire then. */
    expireAt: (at: number): void => void (expiresAt = at),
  };
}
