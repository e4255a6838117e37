import { LRUCache } from 'lru-cache';
import { isDeepStrictEqual } from 'node:util';
import type { AppendAudit } from '../audit/store.js';
import type { Clock } from '../clock.js';
import type { Json, Transaction } from '../db/client.js';
import { DomainError } from '../errors.js';
import type { AppendLog, NewLogEntry } from '../log/append.js';
import type { Origin } from '../origin.js';
import { builtInPolicies, type BuiltInSettings } from '../policy/built-in.js';
import type { PolicyVersion } from '../policy/compile.js';
import { lintPolicy, type Finding } from '../policy/lint.js';
import { describeFault, parsePolicy, type PolicyDocument, type Statement } from '../policy/policy.js';
import { renderPolicy, type Variables } from '../policy/variables.js';
import type { PolicyStore, StoredVersion } from './store.js';

/** A policy as an agent sees it: its statements with the thing's own values filled in. */
export type RenderedPolicy = { name: string; version: number; statements: Statement[] };

type Deps = { store: PolicyStore; clock: Clock; audit: AppendAudit; log: AppendLog };

// What agents are shown may lag an activation by this much; decisions are made elsewhere.
const renderCacheMs = 1000;

export type PolicyService = ReturnType<typeof createPolicyService>;

export function createPolicyService({ store, clock, audit, log }: Deps) {
  const cache = new LRUCache<string, Promise<Map<string, PolicyVersion>>>({ max: 1000, ttl: renderCacheMs });

  const active = (account: string): Promise<Map<string, PolicyVersion>> => {
    const cached = cache.get(account);
    if (cached) return cached;
    const loading = store.active(account);
    cache.set(account, loading);
    loading.catch(() => cache.delete(account));
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
    const document = requireSound(input);
    const { name } = document;
    await store.transaction(async (tx) => {
      const at = clock();
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
        detail: { document },
      });
      await log(tx, at, [activation(account, name, 1, document)]);
    });
    return { name, version: 1, activeVersion: 1 };
  };

  return {
    /** Gives a new account its built-in policies. Returns what the log has to tell of them. */
    async seed(tx: Transaction, account: string, settings: BuiltInSettings, at: Date): Promise<NewLogEntry[]> {
      const documents = builtInPolicies(settings);
      await store.insertFirst(tx, account, documents, at, 'system');
      return documents.map((document) => activation(account, document.name, 1, document));
    },

    create,

    /** The same, unless it is there. False when there is one of that name whose active version says something else. */
    async createUnlessThere(account: string, document: PolicyDocument, origin: Origin): Promise<boolean> {
      const present = await store.find(account, document.name);
      if (!present) await create(account, document, origin);
      if (!present) return true;
      const active = await findVersion(account, document.name, present.activeVersion);
      return isDeepStrictEqual(active.document.statements, document.statements);
    },

    /** Saves another version, which is not active yet. @throws DomainError `invalid-policy`, `not-found` */
    async addVersion(account: string, name: string, input: unknown, origin: Origin) {
      const document = requireSound(withName(input, name));
      return store.transaction(async (tx) => {
        const policy = await store.lock(tx, account, name);
        if (!policy) throw notFound(name);
        const [at, version] = [clock(), policy.newestVersion + 1];
        await store.insertVersion(tx, account, { name, version, document, createdAt: at, createdBy: origin.actor });
        const detail: Json = { version, document };
        await audit(tx, { at, account, origin, action: 'policy.add-version', target: `policy:${name}`, detail });
        return { name, version, activeVersion: policy.activeVersion };
      });
    },

    /** Makes a version, newer or older, the active one, everywhere before this resolves. @throws DomainError `not-found` */
    async activate(account: string, name: string, version: number, origin: Origin): Promise<void> {
      const { document } = await findVersion(account, name, version);
      await store.transaction(async (tx) => {
        const policy = await store.lock(tx, account, name);
        if (!policy || policy.activeVersion === version) return;
        const at = clock();
        await store.setActive(tx, account, name, version);
        const detail: Json = { before: policy.activeVersion, after: version };
        await audit(tx, { at, account, origin, action: 'policy.activate', target: `policy:${name}`, detail });
        await log(tx, at, [activation(account, name, version, document)]);
      });
      cache.delete(account);
    },

    /** What is to be said about a document. */
    lint: (input: unknown): Finding[] => lintPolicy(input),

    find,
    findVersion,

    /** A version of a policy, the active one unless another is named. @throws DomainError `not-found` */
    async findActiveOr(account: string, name: string, version: number | undefined): Promise<StoredVersion> {
      return findVersion(account, name, version ?? (await find(account, name)).activeVersion);
    },
    list: store.list,

    /** @throws DomainError `unknown-policy` when the account lacks one of the names. */
    async requireKnown(account: string, names: string[]): Promise<void> {
      const known = await store.active(account);
      const unknown = names.find((name) => !known.has(name));
      if (unknown !== undefined)
        throw new DomainError('unknown-policy', `there is no policy ${unknown} in ${account}: create it first`);
    },

    /** The policy for a thing type of that name if there is one, else `sensor`. */
    async forType(account: string, thingType: string | undefined): Promise<string> {
      if (thingType === undefined) return 'sensor';
      return (await active(account)).has(thingType) ? thingType : 'sensor';
    },

    /** The active versions of these policies, rendered for one thing. */
    async render(names: string[], variables: Variables): Promise<RenderedPolicy[]> {
      const known = await active(variables.account);
      return names.flatMap((name) => {
        const policy = known.get(name);
        return policy ? [{ name, version: policy.version, statements: renderPolicy(policy.document, variables) }] : [];
      });
    },
  };
}

/** The document, if nothing speaks against saving it. @throws DomainError `invalid-policy` */
function requireSound(input: unknown): PolicyDocument {
  const document = parsePolicy(input);
  const errors = lintPolicy(document).filter(({ level }) => level === 'error');
  if (errors.length === 0) return document;
  throw new DomainError('invalid-policy', errors.map(describeFault).join('; '), { errors });
}

/** A version may leave its name out; another name than the policy's is refused. */
function withName(input: unknown, name: string): unknown {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return input;
  const written = (input as { name?: unknown }).name;
  if (written !== undefined && written !== name)
    throw new DomainError('invalid-policy', `name: must be ${name}, as in the path, or left out`);
  return { ...input, name };
}

function activation(account: string, name: string, version: number, document: PolicyDocument): NewLogEntry {
  return { account, type: 'policy', payload: { name, version, document } };
}

function notFound(name: string): DomainError {
  return new DomainError('not-found', `there is no policy ${name}`);
}
