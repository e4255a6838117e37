import { randomUUID } from 'node:crypto';
import { createCredential } from '../access/credentials.js';
import { eachPromise } from '../access/grantee.js';
import type { AppendAudit } from '../audit/store.js';
import { rfc3339, type Clock } from '../clock.js';
import type { Transaction } from '../db/client.js';
import { mostOfAccount, mostOfPerson, tooMany } from '../limits.js';
import { keyDeletedEntry } from '../log/builders.js';
import type { NewLogEntry } from '../log/entries.js';
import type { Origin } from '../origin.js';
import type { StoredPerson } from '../people/store.js';
import type { ApiKeyStore } from './store.js';

type Deps = { store: ApiKeyStore; clock: Clock; audit: AppendAudit };

/** A new key of a person, and what the log has to say of older ones that it ended. */
export type PersonKey = { id: string; key: string; expiresAt: Date; entries: NewLogEntry[] };

export type PersonKeys = ReturnType<typeof createPersonKeys>;

/** How long the key of a person lives. */
export const personKeyMs = 8 * 3_600_000;

/** Keys for the command line of people. They do what their person may do, and end with them. */
export function createPersonKeys({ store, clock, audit }: Deps) {
  const end = async (tx: Transaction, account: string, ids: string[], origin: Origin): Promise<NewLogEntry[]> => {
    if (ids.length === 0) return [];
    const at = clock();
    await store.deleteAll(tx, ids, at);
    for (const id of ids) await audit(tx, { at, account, origin, action: 'api-key.delete', target: `key:${id}` });
    return ids.map((id) => keyDeletedEntry(account, id));
  };

  return {
    /**
     * Makes a key for 8 hours, or until a time that is earlier. The oldest end where there are too many.
     * @throws DomainError `too-many-requests`
     */
    async create(
      tx: Transaction,
      { id: personId, account, role, permissions }: Pick<StoredPerson, 'id' | 'account' | 'role' | 'permissions'>,
      { until, origin }: { until: Date | null; origin: Origin },
    ): Promise<PersonKey> {
      const [id, at] = [randomUUID(), clock()];
      const present = await store.ofPeople(tx, [personId]);
      const isOver = ({ expiresAt }: { expiresAt: Date | null }, n: number): boolean =>
        n >= mostOfPerson.keys - 1 || (expiresAt !== null && expiresAt <= at);
      const entries = await end(
        tx,
        account,
        present.filter(isOver).map((key) => key.id),
        origin,
      );
      const most = mostOfAccount.keys;
      if ((await store.count(tx, account, most)) >= most)
        throw tooMany('API keys', most, 'delete some that nobody uses');
      const { token, hash } = createCredential('twk');
      const last = new Date(at.getTime() + personKeyMs);
      const expiresAt = until !== null && until < last ? until : last;
      const promises = eachPromise(false);
      const [name, description, createdBy] = ['thingward login', null, origin.actor];
      const granted = { role, permissions, promises, expiresAt };
      await store.insert(tx, { id, account, hash, name, description, ...granted, createdAt: at, createdBy, personId });
      const detail = { name, role, permissions, expiresAt: rfc3339(expiresAt) };
      await audit(tx, { at, account, origin, action: 'api-key.create', target: `key:${id}`, detail });
      return { id, key: token, expiresAt, entries };
    },

    /** Ends every key of people of an account. Returns what the log has to say of it. */
    async end(tx: Transaction, account: string, people: string[], origin: Origin): Promise<NewLogEntry[]> {
      const present = await store.ofPeople(tx, people);
      const ids = present.map(({ id }) => id);
      return end(tx, account, ids, origin);
    },
  };
}
