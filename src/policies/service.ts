import { LRUCache } from 'lru-cache';
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { AppendAudit } from '../audit/store.js';
import type { Clock } from '../clock.js';
import type { Json, Transaction } from '../db/client.js';
import { DomainError } from '../errors.js';
import type { AppendLog } from '../log/append.js';
import { policyEntry } from '../log/builders.js';
import type { NewLogEntry } from '../log/entries.js';
import { mostOfAccount, tooMany } from '../limits.js';
import type { Origin } from '../origin.js';
import { builtInPolicies, type BuiltInSettings } from '../policy/built-in.js';
import type { PolicyVersion } from '../policy/compile.js';
import { weightOf } from '../policy/weight.js';
import { policyLimits } from '../policy/limits.js';
import { lintingPolicy, type Finding } from '../policy/lint.js';
import type { PolicyDocument, Statement } from '../policy/document.js';
import { invalidPolicy, readingPolicy } from '../policy/policy.js';
import { renderPolicy, type Variables } from '../policy/variables.js';
import { inSlices } from '../slices.js';
import type { PolicyStore, StoredVersion } from './store.js';

/** A policy as an agent sees it: its statements with the thing's own values filled in. */
type RenderedPolicy = { name: string; version: number; statements: Statement[]; omitted?: true };

/** What an account's active policies come to: how many others there are, their weight, and that of the one in question. */
export type HeldPolicies = { others: number; weight: number; own: number };

type Deps = {
  store: PolicyStore;
  clock: Clock;
  audit: AppendAudit;
  log: AppendLog;
  held(account: string, name: string): HeldPolicies;
};

// What agents are shown may lag an activation by this much; decisions are made elsewhere.
const renderCacheMs = 1000;
const rememberedPolicies = 200;
// A device reads what it may do; nobody reads what is longer than the longest policy.
const mostRendered = policyLimits.weight;

export type PolicyService = ReturnType<typeof createPolicyService>;

/** Makes, activates, lists and deletes versions of policies, and renders them for a thing. */
export function createPolicyService({ store, clock, audit, log, held }: Deps) {
  const cache = new LRUCache<string, Promise<PolicyVersion | undefined>>({
    max: rememberedPolicies,
    ttl: renderCacheMs,
  });

  // What is being saved counts already: else many at once would each find the same room.
  const coming = new Map<string, { others: number; weight: number }>();

  /** Does work that makes a document active, with room for it. @throws DomainError `too-many-requests` */
  const inRoom = async <Result>(
    account: string,
    document: PolicyDocument,
    work: () => Promise<Result>,
  ): Promise<Result> => {
    const before = coming.get(account) ?? { others: 0, weight: 0 };
    const { others, weight, own } = held(account, document.name);
    requireRoom({ others: others + before.others, weight: weight + before.weight, own }, document);
    const mine = weightOf(document);
    const add = (count: number, added: number): void => {
      const now = coming.get(account) ?? { others: 0, weight: 0 };
      if (now.others + count === 0) coming.delete(account);
      else coming.set(account, { others: now.others + count, weight: now.weight + added });
    };
    add(1, mine);
    try {
      return await work();
    } finally {
      add(-1, -mine);
    }
  };

  const active = (account: string, name: string): Promise<PolicyVersion | undefined> => {
    const key = `${account}/${name}`;
    const cached = cache.get(key);
    if (cached) return cached;
    const loading = store.activeNamed(account, [name]).then((found) => found.get(name));
    cache.set(key, loading);
    loading.catch(() => cache.delete(key));
    return loading;
  };

  const find = async (account: string, name: string) => {
    const policy = await store.find(account, name);
    if (!policy) throw notFound(name);
    return policy;
  };

  const findVersion = async (account: string, name: string, version: number): Promise<StoredVersion> => {
    const found = await store.findVersion(account, name, version);
    if (!found) throw new DomainError('not-found', `there is no version ${version} of a policy ${name}`);
    return found;
  };

  /** Saves a new policy; its version 1 is active at once. @throws DomainError `invalid-policy`, `policy-exists` */
  const create = async (
    account: string,
    input: unknown,
    origin: Origin,
  ): Promise<{ name: string; version: number; activeVersion: number }> => {
    const document = await requireSound(input);
    const { name } = document;
    await inRoom(account, document, () => insert(account, document, origin));
    return { name, version: 1, activeVersion: 1 };
  };

  const insert = (account: string, document: PolicyDocument, origin: Origin): Promise<void> =>
    store.transaction(async (tx) => {
      const { name } = document;
      const at = clock();
      const most = mostOfAccount.policies;
      if ((await store.count(tx, account, most)) >= most)
        throw tooMany('policies', most, 'add versions to one of them');
      if (!(await store.insertFirst(tx, account, [document], at, origin.actor)))
        throw new DomainError(
          'policy-exists',
          `there is a policy ${name}: add a version to it, or choose another name`,
        );
      await audit(tx, {
        at,
        account,
        origin,
        action: 'policy.create',
        target: `policy:${name}`,
        detail: { version: 1, ...describe(document) },
      });
      await log(tx, at, [policyEntry(account, { name, version: 1, document })]);
    });

  return {
    /** Gives a new account its built-in policies. Returns the entries for the log. */
    async seed(tx: Transaction, account: string, settings: BuiltInSettings, at: Date): Promise<NewLogEntry[]> {
      const documents = builtInPolicies(settings);
      await store.insertFirst(tx, account, documents, at, 'system');
      return documents.map((document) => policyEntry(account, { name: document.name, version: 1, document }));
    },

    create,

    /** The same, unless it exists. False when there is one of that name whose active version says something else. */
    async createUnlessThere(account: string, document: PolicyDocument, origin: Origin): Promise<boolean> {
      const present = await store.find(account, document.name);
      if (!present) await create(account, document, origin);
      if (!present) return true;
      const active = await findVersion(account, document.name, present.activeVersion);
      return isDeepStrictEqual(active.document.statements, document.statements);
    },

    /** Saves another version, which is not active yet. @throws DomainError `invalid-policy`, `not-found` */
    async addVersion(account: string, name: string, input: unknown, origin: Origin) {
      const document = await requireSound(withName(input, name));
      return store.transaction(async (tx) => {
        const policy = await store.lock(tx, account, name);
        if (!policy) throw notFound(name);
        const [at, version] = [clock(), policy.newestVersion + 1];
        if (version > mostOfAccount.versionsOfPolicy)
          throw tooMany(`versions of ${name}`, mostOfAccount.versionsOfPolicy, 'begin another policy');
        await store.insertVersion(tx, account, { name, version, document, createdAt: at, createdBy: origin.actor });
        const detail: Json = { version, ...describe(document) };
        await audit(tx, { at, account, origin, action: 'policy.add-version', target: `policy:${name}`, detail });
        return { name, version, activeVersion: policy.activeVersion };
      });
    },

    /** Makes a version, newer or older, the active one, everywhere before this resolves. @throws DomainError `not-found` */
    async activate(account: string, name: string, version: number, origin: Origin): Promise<void> {
      const { document } = await findVersion(account, name, version);
      await inRoom(account, { ...document, name }, () =>
        store.transaction(async (tx) => {
          const policy = await store.lock(tx, account, name);
          if (!policy || policy.activeVersion === version) return;
          const at = clock();
          await store.setActive(tx, account, name, version);
          const detail: Json = { before: policy.activeVersion, after: version };
          await audit(tx, { at, account, origin, action: 'policy.activate', target: `policy:${name}`, detail });
          await log(tx, at, [policyEntry(account, { name, version, document })]);
        }),
      );
      cache.delete(`${account}/${name}`);
    },

    /** Forgets what is remembered of a policy. */
    forget: (account: string, name: string): void => void cache.delete(`${account}/${name}`),

    /** The findings about a document. */
    lint: (input: unknown): Promise<Finding[]> => inSlices(lintingPolicy(input)),

    find,
    findVersion,

    /** A version of a policy, the active one unless another is named. @throws DomainError `not-found` */
    async findActiveOr(account: string, name: string, version: number | undefined): Promise<StoredVersion> {
      return findVersion(account, name, version ?? (await find(account, name)).activeVersion);
    },
    list: store.list,
    countMatching: store.countMatching,
    countVersions: store.countVersions,
    versions: store.versions,

    /** @throws DomainError `unknown-policy` when the account lacks one of the names. */
    async requireKnown(account: string, names: string[]): Promise<void> {
      requireAll(account, names, await store.known(account, names));
    },

    /** The same, and what is known stays until the transaction ends. @throws DomainError `unknown-policy` */
    async hold(tx: Transaction, account: string, names: string[]): Promise<void> {
      requireAll(account, names, new Set(await store.hold(tx, account, names)));
    },

    /** The policy for a thing type of that name if there is one, else `sensor`. */
    async forType(account: string, thingType: string | undefined): Promise<string> {
      if (thingType === undefined) return 'sensor';
      return (await store.known(account, [thingType])).has(thingType) ? thingType : 'sensor';
    },

    /** The active versions of these policies, rendered for one thing, as far as they are no longer than one may be. */
    async render(names: string[], variables: Variables): Promise<RenderedPolicy[]> {
      const found = await Promise.all(names.map((name) => active(variables.account, name)));
      let weight = 0;
      return found
        .filter((policy) => policy !== undefined)
        .map(({ name, version, document }) => {
          weight += weightOf(document);
          if (weight > mostRendered) return { name, version, statements: [], omitted: true as const };
          return { name, version, statements: renderPolicy(document, variables) };
        });
    },
  };
}

/** The document, if nothing speaks against saving it. @throws DomainError `invalid-policy` */
async function requireSound(input: unknown): Promise<PolicyDocument> {
  const { document, faults } = await inSlices(readingPolicy(input));
  if (!document || faults.length > 0) throw invalidPolicy(faults);
  const errors = (await inSlices(lintingPolicy(document))).filter(({ level }) => level === 'error');
  if (errors.length === 0) return document;
  throw invalidPolicy(errors);
}

/**
 * Every instance keeps the active policies of all accounts ready in memory. Saves at the same moment on several
 * instances may go over this.
 * @throws DomainError `too-many-requests`
 */
function requireRoom({ others, weight, own }: HeldPolicies, document: PolicyDocument): void {
  const { accountPolicies, accountWeight } = policyLimits;
  const added = weightOf(document);
  // What makes it lighter is always accepted, whatever existed before the limit.
  if (added <= own) return;
  if (others >= accountPolicies)
    throw new DomainError(
      'too-many-requests',
      `the account has ${others} active policies, and ${accountPolicies} is the limit: put the statements of several policies into one`,
      { retryAfter: 60 },
    );
  if (weight + added > accountWeight)
    throw new DomainError(
      'too-many-requests',
      `the active policies of the account would have more than ${accountWeight} parts (actions, levels of resources, windows, ranges, values): activate shorter versions of some first`,
      { retryAfter: 60 },
    );
}

/** A document in the audit log: its version has the text, this is how to know it again. */
function describe(document: PolicyDocument): { statements: number; sha256: string } {
  const sha256 = createHash('sha256').update(JSON.stringify(document)).digest('hex');
  return { statements: document.statements.length, sha256 };
}

/** A version may leave its name out; another name than the policy's is refused. */
function withName(input: unknown, name: string): unknown {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return input;
  const written = (input as { name?: unknown }).name;
  if (written !== undefined && written !== name)
    throw new DomainError('invalid-policy', `name: must be ${name}, as in the path, or left out`);
  return { ...input, name };
}

function notFound(name: string): DomainError {
  return new DomainError('not-found', `there is no policy ${name}`);
}

function requireAll(account: string, names: string[], known: Set<string>): void {
  const unknown = names.find((name) => !known.has(name));
  if (unknown !== undefined)
    throw new DomainError('unknown-policy', `there is no policy ${unknown} in ${account}: create it first`);
}
