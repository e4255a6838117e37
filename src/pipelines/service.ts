import { createHash } from 'node:crypto';
import { etagOf, requireMatch } from '../api/etag.js';
import type { Named, Span } from '../api/paging.js';
import type { AppendAudit } from '../audit/store.js';
import type { Clock } from '../clock.js';
import type { Json, Transaction } from '../db/client.js';
import { DomainError } from '../errors.js';
import { mostOfAccount, tooMany } from '../limits.js';
import type { AppendLog } from '../log/append.js';
import { pipelineEntry } from '../log/builders.js';
import type { Origin } from '../origin.js';
import type { PipelineDocument } from '../pipeline/document.js';
import { lintPipeline } from '../pipeline/lint.js';
import type { Finding } from '../pipeline/read.js';
import type { AccountPlan, Admission } from './admission.js';
import { builtInNames, builtInVersion, merged } from './built-in.js';
import type { PipelineStore, StoredVersion, Versions, WrittenDocument } from './store.js';

type Deps = { store: PipelineStore; admission: Admission; clock: Clock; audit: AppendAudit; log: AppendLog };

/** What was saved, and which version is active. */
type Saved = { name: string; version: number; activeVersion?: number };

/** A pipeline as lists show it. */
type Listed = { name: string; activeVersion: number | null; builtIn?: true };

export type PipelineService = ReturnType<typeof createPipelineService>;

/** Makes, activates, lists and deletes versions of pipelines. */
export function createPipelineService({ store, admission, clock, audit, log }: Deps) {
  const place = async (account: string, name: string): Promise<Versions & { builtIn?: true }> => {
    const found = await store.place(account, name);
    if (found) return found;
    if (!builtInVersion(name)) throw notFound(name);
    return { activeVersion: null, newestVersion: 1, builtIn: true };
  };

  const findVersion = async (account: string, name: string, version: number): Promise<StoredVersion> => {
    const stored = await store.findVersion(account, name, version);
    const found = stored ?? ((await place(account, name)).builtIn && version === 1 ? builtInVersion(name) : undefined);
    if (!found) throw new DomainError('not-found', `there is no version ${version} of a pipeline ${name}`);
    return found;
  };

  /** A pipeline to change. One that is built in becomes the account's own. @throws DomainError `not-found` */
  const hold = async (tx: Transaction, account: string, name: string): Promise<Versions> => {
    const first = builtInVersion(name);
    if (first) {
      await requireRoom(tx, account, name);
      await store.insertFirst(tx, account, first);
    }
    const found = await store.lock(tx, account, name);
    if (!found) throw notFound(name);
    return found;
  };

  const requireRoom = async (tx: Transaction, account: string, name: string): Promise<void> => {
    const most = mostOfAccount.pipelines;
    if ((await store.count(tx, account, most)) < most || (await store.findVersion(account, name, 1, tx))) return;
    throw tooMany('pipelines', most, 'delete one, or add versions to one of them');
  };

  const note = (tx: Transaction, account: string, origin: Origin, action: string, name: string, detail: Json) =>
    audit(tx, { at: clock(), account, origin, action: `pipeline.${action}`, target: `pipeline:${name}`, detail });

  /** Tells edges. Last in its transaction: nobody else writes to the log until that ends. */
  const tellEdges = (tx: Transaction, account: string, name: string, active: StoredVersion | undefined) => {
    const pipeline = active ? { name, version: active.version, document: active.document } : null;
    return log(tx, clock(), [pipelineEntry(account, name, pipeline)]);
  };

  return {
    place,
    findVersion,
    versions: async (account: string, name: string, before: number | undefined, limit: number) => {
      const { builtIn } = await place(account, name);
      const first = builtIn && builtInVersion(name);
      return first && (before ?? 2) > 1 ? [first] : store.versions(account, name, before, limit);
    },
    countVersions: async (account: string, name: string, most: number): Promise<number> =>
      (await place(account, name)).builtIn ? 1 : store.countVersions(account, name, most),

    async list(account: string, filter: Named, span: Span): Promise<Listed[]> {
      const own = await store.known(account, builtInNames());
      const others = builtInNames(filter).filter((name) => !own.has(name));
      const builtIn = others.map((name): Listed => ({ name, activeVersion: null, builtIn: true }));
      return merged<Listed>(await store.list(account, filter, span), builtIn, span);
    },

    async countMatching(account: string, filter: Named, most: number): Promise<number> {
      const own = await store.known(account, builtInNames());
      const others = builtInNames(filter).filter((name) => !own.has(name)).length;
      return Math.min(most, others + (await store.countMatching(account, filter, most)));
    },

    /** The active version, or the newest where none is. @throws DomainError `not-found` */
    async current(account: string, name: string, version?: number): Promise<StoredVersion> {
      if (version !== undefined) return findVersion(account, name, version);
      const { activeVersion, newestVersion } = await place(account, name);
      return findVersion(account, name, activeVersion ?? newestVersion);
    },

    /** The findings about a document. */
    lint: (input: unknown): Finding[] => lintPipeline(input).findings,

    /** Saves a new pipeline; its version 1 is active at once. @throws DomainError `invalid-pipeline`, `pipeline-exists`, `site-capacity` */
    async create(account: string, input: unknown, origin: Origin, showsSites: boolean): Promise<Saved> {
      const { name } = requireSound(input);
      const document = input as WrittenDocument;
      await store.transaction(async (tx) => {
        await admission.begin(tx, account);
        await requireRoom(tx, account, name);
        const first = { version: 1, document, createdAt: clock(), createdBy: origin.actor };
        if (!(await store.insertFirst(tx, account, first)))
          throw new DomainError(
            'pipeline-exists',
            `there is a pipeline ${name}: add a version to it, or choose another name`,
          );
        await admission.require(tx, account, name, first, showsSites);
        await store.setActive(tx, account, name, 1);
        await note(tx, account, origin, 'create', name, { version: 1, sha256: hashOf(document) });
        await tellEdges(tx, account, name, first);
      });
      return { name, version: 1, activeVersion: 1 };
    },

    /** Saves another version, which is not active yet. @throws DomainError `invalid-pipeline`, `not-found` */
    async addVersion(account: string, name: string, input: unknown, origin: Origin): Promise<Saved> {
      const document = withName(input, name) as WrittenDocument;
      requireSound(document);
      return store.transaction(async (tx) => {
        const { activeVersion, newestVersion } = await hold(tx, account, name);
        const version = newestVersion + 1;
        if (version > mostOfAccount.versionsOfPipeline)
          throw tooMany(`versions of ${name}`, mostOfAccount.versionsOfPipeline, 'begin another pipeline');
        await store.insertVersion(tx, account, { version, document, createdAt: clock(), createdBy: origin.actor });
        await note(tx, account, origin, 'add-version', name, { version, sha256: hashOf(document) });
        return activeVersion === null ? { name, version } : { name, version, activeVersion };
      });
    },

    /** What activating a version would make of the sites; changes nothing. @throws DomainError `not-found` */
    async plan(account: string, name: string, version: number): Promise<AccountPlan> {
      return admission.plan(account, name, await findVersion(account, name, version));
    },

    /** Makes a version, newer or older, the active one; null makes none active. @throws DomainError `not-found`, `site-capacity` */
    activate: (
      account: string,
      name: string,
      version: number | null,
      origin: Origin,
      showsSites: boolean,
    ): Promise<void> =>
      store.transaction(async (tx) => {
        if (version !== null) await admission.begin(tx, account);
        const { activeVersion } = await hold(tx, account, name);
        const chosen = version === null ? undefined : await store.findVersion(account, name, version, tx);
        if (version !== null && !chosen)
          throw new DomainError('not-found', `there is no version ${version} of a pipeline ${name}`);
        if (activeVersion === version) return;
        if (chosen) await admission.require(tx, account, name, chosen, showsSites);
        await store.setActive(tx, account, name, version);
        await note(tx, account, origin, 'activate', name, { before: activeVersion, after: version });
        await tellEdges(tx, account, name, chosen);
      }),

    /**
     * Deletes a pipeline with all of its versions; under the name of one that is built in, that one returns.
     * @throws DomainError `not-found`, `precondition-failed`
     */
    delete: (account: string, name: string, origin: Origin): Promise<void> =>
      store.transaction(async (tx) => {
        const found = await store.lock(tx, account, name);
        if (!found) {
          const why = builtInVersion(name)
            ? `${name} is built in, and the account has changed nothing about it`
            : `there is no pipeline ${name}`;
          throw new DomainError('not-found', why);
        }
        requireMatch(origin, pipelineTag(name, found));
        await store.delete(tx, account, name);
        const { activeVersion, newestVersion } = found;
        await note(tx, account, origin, 'delete', name, { activeVersion, versions: newestVersion });
        if (activeVersion !== null) await tellEdges(tx, account, name, undefined);
      }),
  };
}

/** The ETag of a pipeline: another version, or another active one, is another pipeline. */
export const pipelineTag = (name: string, { activeVersion, newestVersion }: Versions): string =>
  etagOf('pipeline', name, activeVersion, newestVersion);

/** The document, if nothing speaks against saving it. @throws DomainError `invalid-pipeline` */
export function requireSound(input: unknown): PipelineDocument {
  const { document, findings } = lintPipeline(input);
  const errors = findings.filter(({ level }) => level === 'error');
  if (document && errors.length === 0) return document;
  const shown = errors.slice(0, mostInDetail).map(({ at, message }) => (at === '' ? message : `${at}: ${message}`));
  const rest = errors.length > mostInDetail ? [`and ${errors.length - mostInDetail} more, in errors`] : [];
  throw new DomainError('invalid-pipeline', [...shown, ...rest].join('; '), { errors });
}

const mostInDetail = 10;

/** A version may leave its name out; another name than the pipeline's is refused. */
function withName(input: unknown, name: string): unknown {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return input;
  const written = (input as { name?: unknown }).name;
  if (written !== undefined && written !== name)
    throw new DomainError('invalid-pipeline', `/name: must be ${name}, as in the path, or left out`);
  return { ...input, name };
}

/** How to know a document again: its version has the text. */
const hashOf = (document: object): string => createHash('sha256').update(JSON.stringify(document)).digest('hex');

function notFound(name: string): DomainError {
  return new DomainError('not-found', `there is no pipeline ${name}: GET /v1/pipelines lists them`);
}
