import type { AppendAudit } from '../audit/store.js';
import type { Transaction } from '../db/client.js';
import { thingChangedEntry } from '../log/builders.js';
import type { NewLogEntry } from '../log/entries.js';
import { apply, type Outcome } from './acts.js';
import type { MemberStore, MemberThing, Settled } from './member-store.js';
import type { StoredCampaign, WaveCounts } from './store.js';

type Deps = {
  members: MemberStore;
  audit: AppendAudit;
  /** @throws DomainError `unknown-policy` unless there are all of them, which then stay until the transaction ends */
  holdPolicies(tx: Transaction, account: string, names: string[]): Promise<void>;
};

/** What a slice did: the counts by state, what the log has to hear, and where to continue. */
type Taken = { to: Partial<WaveCounts>; entries: NewLogEntry[]; next: number };

const thingsOfSlice = 250;
const askedOfSlice = 2000;

export type Doer = ReturnType<typeof createDoer>;

/** Does what a campaign does, to the next of its things. */
export function createDoer({ members, audit, holdPolicies }: Deps) {
  const ask = async (tx: Transaction, campaign: StoredCampaign, { last }: WaveCounts, at: Date): Promise<Taken> => {
    const upTo = Math.min(last, campaign.next + askedOfSlice - 1);
    return { to: await members.askNext(tx, campaign, upTo, at), entries: [], next: upTo + 1 };
  };

  const change = async (tx: Transaction, campaign: StoredCampaign, { last }: WaveCounts, at: Date): Promise<Taken> => {
    const { id, account, act, policies = [], attributes = {} } = campaign;
    const things = await members.lockNext(tx, campaign, last, thingsOfSlice);
    if (act === 'attach') await holdPolicies(tx, account, policies);
    const outcomes = things.map((thing) => ({ thing, outcome: apply(campaign, thing) }));
    const changed = outcomes.flatMap(({ thing, outcome }) => changedBy(thing, outcome));
    await members.settle(tx, id, outcomes.map(toSettled));
    if (changed.length > 0 || act === 'set-attributes')
      await members.writeThings(
        tx,
        changed.map(({ after }) => after),
        Object.keys(attributes),
      );
    await record(tx, campaign, changed, at);
    return {
      to: countsOf(outcomes.map(({ outcome }) => outcome.state)),
      entries: changed.map(({ after }) => thingChangedEntry(account, after)),
      next: Math.min(last, campaign.next + thingsOfSlice - 1) + 1,
    };
  };

  const record = async (tx: Transaction, campaign: StoredCampaign, changed: Changed[], at: Date): Promise<void> => {
    if (changed.length === 0) return;
    const { id, account, origin, act } = campaign;
    const action = act === 'set-attributes' ? 'thing.change-attributes' : 'thing.set-policies';
    const entries = changed.map(({ before, after }) => ({
      at,
      account,
      origin,
      action,
      target: `thing:${after.name}`,
      detail: { before: rights(before), after: rights(after), campaign: id },
    }));
    await audit(tx, ...entries);
  };

  return {
    /** Does it to the next things of a wave. The counts and the place have to be written in the same transaction. */
    takeNext: (tx: Transaction, campaign: StoredCampaign, wave: WaveCounts, at: Date): Promise<Taken> =>
      campaign.act === 'renew' ? ask(tx, campaign, wave, at) : change(tx, campaign, wave, at),
  };
}

type Changed = { before: MemberThing; after: MemberThing };
type Done = { thing: MemberThing; outcome: Outcome<MemberThing> };

function changedBy(before: MemberThing, outcome: Outcome<MemberThing>): Changed[] {
  if (outcome.state !== 'done' || !outcome.after) return [];
  return [{ before, after: { ...outcome.after, gen: before.gen + 1 } }];
}

const toSettled = ({ thing, outcome }: Done): Settled => ({
  ordinal: thing.ordinal,
  state: outcome.state,
  reason: outcome.state === 'done' ? null : outcome.reason,
});

function countsOf(states: ('done' | 'failed' | 'skipped')[]): Partial<WaveCounts> {
  const to = { done: 0, failed: 0, skipped: 0 };
  for (const state of states) to[state]++;
  return to;
}

function rights({ attributes, policies, segment }: MemberThing) {
  return { attributes, policies, segment };
}
