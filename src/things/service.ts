import { isDeepStrictEqual } from 'node:util';
import type { AppendAudit } from '../audit/store.js';
import type { Clock } from '../clock.js';
import type { Json, Transaction } from '../db/client.js';
import { DomainError } from '../errors.js';
import { requireMatch } from '../api/etag.js';
import type { AppendLog } from '../log/append.js';
import { thingChangedEntry } from '../log/builders.js';
import type { Origin } from '../origin.js';
import { mergeAttributes, thingTag } from '../registry.js';
import { readQuery } from '../thing-query/read-query.js';
import type { AnyQuery } from '../thing-query/shapes.js';
import type { ListedThing, ThingStore } from './store.js';

type Reenrollment = { id: string; token: string; expiresAt: Date };

/** What an operator wants of a re-enrollment, and may. */
type ReenrollOrder = {
  /** Why the first use of the new certificate ends what came before; cessationOfOperation when undefined. */
  reason: string | undefined;
  /** A revoked or deleted thing may come back as a new one, and a key be taken over from such a thing. */
  mayBringBack: boolean;
};

type Deps = {
  store: ThingStore;
  clock: Clock;
  audit: AppendAudit;
  log: AppendLog;
  /** @throws DomainError `unknown-policy` unless there are all of them, which then stay until the transaction ends */
  holdPolicies(tx: Transaction, account: string, names: string[]): Promise<void>;
  /** @throws DomainError `unknown-group` */
  queryOfGroup(account: string, name: string): Promise<AnyQuery>;
  createReenroll(
    tx: Transaction,
    thing: { id: string; account: string; name: string; thingType: string | null },
    rights: { reenrollReason: string | null; bringsBack: boolean; movesKeys: boolean },
    origin: Origin,
  ): Promise<Reenrollment>;
};

type Filter = Omit<Parameters<ThingStore['list']>[1], 'matching'> & {
  group?: string | undefined;
  query?: string | undefined;
};

export type ThingService = ReturnType<typeof createThingService>;

/** Lists, changes, suspends, resumes and deletes things. */
export function createThingService({ store, clock, audit, log, holdPolicies, queryOfGroup, createReenroll }: Deps) {
  const notFound = (name: string) => new DomainError('not-found', `there is no thing ${name}`);

  const withQueries = async (account: string, { group, query, ...filter }: Filter) => {
    const texts = [...(group === undefined ? [] : [await queryOfGroup(account, group)]), ...(query ? [query] : [])];
    return texts.length === 0 ? filter : { ...filter, matching: { queries: texts.map(readQuery), now: clock() } };
  };

  /** Changes what decides a thing's rights, in one transaction with its audit and log entries. */
  const change = (
    account: string,
    name: string,
    action: string,
    origin: Origin,
    edit: (thing: ListedThing) => ListedThing,
    prepare: (tx: Transaction, thing: ListedThing) => Promise<void> = async () => {},
  ): Promise<ListedThing> =>
    store.transaction(async (tx) => {
      const before = await store.lock(tx, account, name);
      if (!before) throw notFound(name);
      requireMatch(origin, thingTag(before));
      await prepare(tx, before);
      const edited = edit(before);
      if (isDeepStrictEqual(edited, before)) return before;
      const after = { ...edited, gen: before.gen + 1 };
      await store.update(tx, after);
      const at = clock();
      const detail: Json = { before: rights(before), after: rights(after) };
      await audit(tx, { at, account, origin, action, target: `thing:${name}`, detail });
      await log(tx, at, [thingChangedEntry(account, after)]);
      return after;
    });

  return {
    /** @throws DomainError `not-found` */
    async get(account: string, name: string): Promise<ListedThing> {
      const thing = await store.find(account, name);
      if (!thing) throw notFound(name);
      return thing;
    },

    /** @throws DomainError `unknown-group`, and `invalid-request` for a query that cannot be read */
    list: async (account: string, filter: Filter, span: Parameters<ThingStore['list']>[2]) =>
      store.list(account, await withQueries(account, filter), span),
    count: async (account: string, filter: Filter, most: number) =>
      store.count(account, await withQueries(account, filter), most),

    /** Merges attributes: null takes one away. @throws DomainError `not-found`, `invalid-request` */
    patchAttributes: (
      account: string,
      name: string,
      patch: Record<string, string | null>,
      origin: Origin,
    ): Promise<ListedThing> =>
      change(
        account,
        name,
        'thing.change-attributes',
        origin,
        (thing) => ({ ...thing, attributes: mergeAttributes(thing.attributes, patch) }),
        (tx, { id }) => store.noteSet(tx, [id], Object.keys(patch)),
      ),

    /** Replaces the policies of a thing. @throws DomainError `not-found`, `unknown-policy` */
    setPolicies: (account: string, name: string, policies: string[], origin: Origin): Promise<ListedThing> =>
      change(
        account,
        name,
        'thing.set-policies',
        origin,
        (thing) => ({ ...thing, policies: [...new Set(policies)] }),
        (tx) => holdPolicies(tx, account, policies),
      ),

    /**
     * A one-use enrollment for a device that lost its key, or whose thing was revoked or deleted. Also returns until
     * when the name alone is refused for what came before. @throws DomainError `not-found`, `thing-not-active`, `forbidden`
     */
    reenroll: (
      account: string,
      name: string,
      { reason, mayBringBack }: ReenrollOrder,
      origin: Origin,
    ): Promise<Reenrollment & { refusedByNameUntil: Date | undefined }> =>
      store.transaction(async (tx) => {
        const thing = await store.lock(tx, account, name);
        if (!thing) throw notFound(name);
        if (thing.status === 'suspended')
          throw new DomainError('thing-not-active', `the thing ${name} is suspended: resume it first`);
        const bringsBack = thing.status === 'revoked';
        if (bringsBack && !mayBringBack)
          throw new DomainError(
            'forbidden',
            `the thing ${name} is ${thing.deletedAt ? 'deleted' : 'revoked'}: restoring it also needs certificates:release`,
          );
        const refusedByNameUntil = await store.lastNotAfter(tx, account, name, clock());
        const rights = { reenrollReason: reason ?? null, bringsBack, movesKeys: mayBringBack };
        return { ...(await createReenroll(tx, thing, rights, origin)), refusedByNameUntil };
      }),
  };
}

function rights({ attributes, policies, segment }: ListedThing) {
  return { attributes, policies, segment };
}
