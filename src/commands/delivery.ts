import type { Grantee } from '../access/grantee.js';
import { requireRegistrant, requireSessions } from '../access/registrant.js';
import type { Clock } from '../clock.js';
import type { Transaction } from '../db/client.js';
import { DomainError } from '../errors.js';
import type { AppendLog } from '../log/append.js';
import { commandEntry } from '../log/builders.js';
import type { ClaimedCommand, ClaimStore } from './claim-store.js';
import { mostOfEdge, type Claim, type Report } from './edge-schema.js';

type Deps = { store: ClaimStore; clock: Clock; log: AppendLog };

export type Delivery = ReturnType<typeof createDelivery>;

/** Commands on their way, for edges: each is claimed by one edge before it is sent. */
export function createDelivery({ store, clock, log }: Deps) {
  const requireSender = async ({ account, id: keyId }: Grantee, proxy: string, incarnation: string): Promise<void> => {
    const sender = await store.sender(account, proxy);
    requireRegistrant(sender, proxy, keyId);
    requireSessions(sender);
    if (sender.incarnation !== incarnation)
      throw new DomainError('conflict', 'another run of this edge is known: report sessions of this one first');
  };

  const note = async (tx: Transaction, account: string, { proxy, commands }: Report): Promise<void> => {
    const now = clock();
    const waiting: { id: string; thingName: string }[] = [];
    // In one order, so that two edges that report the same commands do not wait for each other.
    for (const each of [...commands].sort((a, b) => (a.id < b.id ? -1 : 1))) {
      const { id, thingName, status, reason = null, result } = each;
      if (status === 'delivered') await store.deliver(tx, account, proxy, id, now);
      else if (status === 'released') {
        if (await store.release(tx, account, proxy, id)) waiting.push({ id, thingName });
      } else {
        const said = result === undefined ? null : JSON.stringify(result);
        await store.finish(tx, account, proxy, { id, thingName, status, reason, result: said }, now);
      }
    }
    // Whoever holds a session of the thing by now hears of it.
    if (waiting.length > 0)
      await log(
        tx,
        now,
        waiting.map((each) => commandEntry(account, each)),
      );
  };

  return {
    /**
     * Gives an edge the commands that it has to send from now on: no other gets them.
     * @throws DomainError `not-found`, `forbidden`, `invalid-request`, `conflict`
     */
    async claim(
      grantee: Grantee,
      claim: Claim,
    ): Promise<{ commands: ClaimedCommand[]; held: string[]; more: boolean }> {
      await requireSender(grantee, claim.proxy, claim.incarnation);
      const { account } = grantee;
      // The answer before may have been lost.
      const before = await store.claimedBefore(account, claim.proxy, claim.claim);
      if (before.length > 0) return { commands: before, held: await store.held(account, claim), more: true };
      const held = await store.held(account, claim);
      const commands = held.length > 0 ? await store.claim(account, claim, mostOfEdge.claimed, clock()) : [];
      return { commands, held, more: commands.length > 0 };
    },

    /** Notes what an edge says became of commands. @throws DomainError `not-found`, `forbidden`, `invalid-request`, `conflict` */
    async report(grantee: Grantee, report: Report): Promise<void> {
      await requireSender(grantee, report.proxy, report.incarnation);
      await store.transaction((tx) => note(tx, grantee.account, report));
    },
  };
}
