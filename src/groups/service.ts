import type { AppendAudit } from '../audit/store.js';
import type { Clock } from '../clock.js';
import type { Json, Transaction } from '../db/client.js';
import { DomainError } from '../errors.js';
import { etagOf, requireMatch } from '../api/etag.js';
import { mostOfAccount, tooMany } from '../limits.js';
import type { Origin } from '../origin.js';
import { readQuery } from '../thing-query/read-query.js';
import type { AnyQuery } from '../thing-query/shapes.js';
import type { NewGroup } from './schema.js';
import type { GroupStore, StoredGroup } from './store.js';

type Deps = {
  store: GroupStore;
  clock: Clock;
  audit: AppendAudit;
  /** Whether a campaign that is not over takes its things from a group. */
  isInCampaign(tx: Transaction, account: string, name: string): Promise<boolean>;
};

export type GroupService = ReturnType<typeof createGroupService>;

/** The ETag of a group. */
export const groupTag = ({ account, name, query, createdAt }: StoredGroup): string =>
  etagOf('group', account, name, query, createdAt);

/** Groups: questions about things that have a name. Who is in one is asked for each act, and kept nowhere. */
export function createGroupService({ store, clock, audit, isInCampaign }: Deps) {
  const found = (group: StoredGroup | undefined, name: string): StoredGroup => {
    if (!group) throw new DomainError('not-found', `there is no group ${name}: GET /v1/groups`);
    return group;
  };

  const note = (tx: Transaction, account: string, origin: Origin, action: string, name: string, detail: Json) =>
    audit(tx, { at: clock(), account, origin, action: `group.${action}`, target: `group:${name}`, detail });

  return {
    get: async (account: string, name: string): Promise<StoredGroup> => found(await store.find(account, name), name),
    list: store.list,
    countMatching: store.countMatching,

    /** The query of a group, as it is now. @throws DomainError `unknown-group` */
    async queryOf(account: string, name: string): Promise<AnyQuery> {
      const group = await store.find(account, name);
      if (!group)
        throw new DomainError('unknown-group', `there is no group ${name} in ${account}: GET /v1/groups lists them`);
      return group.query;
    },

    /** The query of a group if there is one of this name. */
    findQuery: async (account: string, name: string): Promise<AnyQuery | undefined> =>
      (await store.find(account, name))?.query,

    /** @throws DomainError `group-exists`, `invalid-request`, `too-many-requests` */
    async create(account: string, { name, query }: NewGroup, origin: Origin): Promise<StoredGroup> {
      readQuery(query);
      const at = clock();
      const group: StoredGroup = { account, name, query, createdAt: at, createdBy: origin.actor, changedAt: at };
      await store.transaction(async (tx) => {
        const most = mostOfAccount.groups;
        if ((await store.count(tx, account, most)) >= most) throw tooMany('groups', most, 'delete some');
        if (!(await store.insert(tx, group)))
          throw new DomainError('group-exists', `there is a group ${name}: choose another name, or PATCH it`);
        await note(tx, account, origin, 'create', name, { query } as Json);
      });
      return group;
    },

    /** Asks another question under the same name. @throws DomainError `not-found`, `invalid-request`, `precondition-failed` */
    async patch(account: string, name: string, query: AnyQuery, origin: Origin): Promise<StoredGroup> {
      readQuery(query);
      return store.transaction(async (tx) => {
        const before = found(await store.lock(tx, account, name), name);
        requireMatch(origin, groupTag(before));
        const after = { ...before, query, changedAt: clock() };
        await store.change(tx, after);
        await note(tx, account, origin, 'change', name, { before: before.query, after: query } as Json);
        return after;
      });
    },

    /** @throws DomainError `not-found`, `group-in-use`, `precondition-failed` */
    delete: (account: string, name: string, origin: Origin): Promise<void> =>
      store.transaction(async (tx) => {
        const group = found(await store.lock(tx, account, name), name);
        requireMatch(origin, groupTag(group));
        if (await isInCampaign(tx, account, name))
          throw new DomainError(
            'group-in-use',
            `a campaign over the group ${name} is not over: wait for it, or cancel it (GET /v1/campaigns?group=${name})`,
          );
        await store.delete(tx, account, name);
        await note(tx, account, origin, 'delete', name, { query: group.query } as Json);
      }),
  };
}
