import { createSnapshot } from '../../authorize/snapshot.js';
import { encodeCursor, parseCursor, type LogCursor } from '../../log/cursor.js';
import { entriesOfPage, parseEdgeEntry, type ActivePipeline } from '../../log/edge-view.js';
import type { EntryOf, LogEntry } from '../../log/entries.js';
import type { Change } from '../gate.js';
import { createIssuers } from './issuers.js';
import { createTokenKeys, type TokenKey } from './token-keys.js';

/** A page of `GET /v1/edge/snapshot`. The optional members but `next` are on the first page alone. */
export type SnapshotPage = Parameters<typeof entriesOfPage>[1] & {
  epoch: string;
  cursor: string;
  next?: string;
  account?: { name: string; status: string };
  issuers?: string[];
  tokenIssuer?: string;
  jwks?: { keys: TokenKey[] };
  promises?: KeyPromises;
};

/** What the owner of this edge's key promised about it. */
export type KeyPromises = { bearer: boolean; enforcesCrl: boolean; followsFeed: boolean };

export type Known = ReturnType<typeof createKnown>;

const none: KeyPromises = { bearer: false, enforcesCrl: false, followsFeed: false };
// As the control plane remembers what tokens may not know of: longer than one lives.
const memoryMs = 1_800_000;
const mostHeard = 64;

/** What is known of one account: the log, reduced to what decisions need. `now` is the followed clock. */
export function createKnown(now: () => number) {
  const snapshot = createSnapshot();
  const issuers = createIssuers();
  let place: LogCursor = { epoch: '', position: 0 };
  let foundations: SnapshotPage | undefined;
  // What the snapshot was made from, to be written down.
  const policies = new Map<string, SnapshotPage['policies'][number]>();
  const segments = new Map<string, SnapshotPage['segments'][number]>();
  // Undefined while nobody said which there are: an earlier version of the server, or of this edge, which wrote the state.
  let pipelines: Map<string, ActivePipeline> | undefined;
  // Of each kind the last about a thing or a certificate: the ones before it no longer change anything.
  const recent = new Map<string, object>();
  let hasOldIssuers = false;
  // Chains that the stream showed: an answer about authorities may be older than they are.
  let heard: string[] = [];

  const account = (): string => foundations?.account?.name ?? '';
  const tokenIssuer = (): string | undefined => foundations?.tokenIssuer;
  const tokenKeys = createTokenKeys(now, tokenIssuer);

  const record = (entry: LogEntry, view: object): void => {
    if (entry.type === 'policy') policies.set(entry.payload.name, entry.payload);
    else if (entry.type === 'segment') {
      if (entry.payload.segment) segments.set(entry.payload.name, entry.payload.segment);
      else segments.delete(entry.payload.name);
    } else if (entry.type === 'pipeline') {
      if (entry.payload.pipeline) pipelines?.set(entry.payload.name, entry.payload.pipeline);
      else pipelines?.delete(entry.payload.name);
    } else if (isOfThing(entry)) {
      const key = recentKeyOf(entry);
      recent.delete(key);
      recent.set(key, view);
    }
  };

  return {
    snapshot,
    issuers,
    tokenKeys,
    account,
    tokenIssuer,
    promises: (): KeyPromises => foundations?.promises ?? none,
    epoch: (): string => place.epoch,
    position: (): number => place.position,
    cursor: (): string => encodeCursor(place),
    /** An authority is another one since they were read. */
    hasOldIssuers: (): boolean => hasOldIssuers,
    isLoaded: (): boolean => foundations !== undefined,
    /** The active pipelines, by name; undefined while nobody said which there are. */
    pipelines: (): ReadonlyMap<string, ActivePipeline> | undefined => pipelines,
    isSuspended: (): boolean => foundations?.account?.status !== 'active',

    /** Replaces everything with the pages of a snapshot, in their order. @throws Error for what cannot be read; nothing has changed then */
    load(pages: readonly SnapshotPage[]): void {
      const [first] = pages;
      const name = first!.account!.name;
      const entries = pages.flatMap((page) => entriesOfPage(name, page));
      const views = pages.flatMap(({ things, certificates }) => [...things, ...certificates] as object[]);
      issuers.load(first!.issuers!);
      heard = [];
      tokenKeys.load(first!.jwks!.keys);
      foundations = foundationsOf(first!);
      place = parseCursor(first!.cursor);
      policies.clear();
      segments.clear();
      pipelines = first!.pipelines && new Map();
      recent.clear();
      snapshot.load({ policies: [], segments: [], recent: entries });
      const viewAt = new Map(views.map((view) => [(view as { position: number }).position, view]));
      for (const entry of entries) record(entry, viewAt.get(entry.position) ?? {});
      hasOldIssuers = false;
    },

    /** Applies what the stream said, once and in order. Returns the entry; undefined for one that is applied already. */
    apply(view: object): LogEntry | undefined {
      const entry = parseEdgeEntry(account(), view);
      if (entry.position <= place.position) return undefined;
      snapshot.apply(entry);
      if (entry.type === 'token-keys') tokenKeys.apply(entry);
      if (entry.type === 'issuer') hasOldIssuers = true;
      if (entry.type === 'authority') hear(entry.payload.chain);
      if (entry.type === 'account') setStatus(entry.payload.status);
      // The version before says so in this entry alone.
      if (entry.type === 'key' && entry.payload.account === account()) setStatus(entry.payload.status);
      record(entry, view);
      place = { epoch: place.epoch, position: entry.position };
      return entry;
    },

    /** A head says that there is nothing more up to a place. */
    reach(cursor: string): void {
      const reached = parseCursor(cursor);
      if (reached.epoch === place.epoch && reached.position > place.position) place = reached;
    },

    /** Tokens have another issuer now. Returns whether that is new. */
    renewTokenIssuer(issuer: string): boolean {
      if (tokenIssuer() === issuer) return false;
      foundations = { ...foundations!, tokenIssuer: issuer };
      return true;
    },

    /** New authorities, without anything else. */
    renewIssuers(chains: string[]): void {
      hasOldIssuers = false;
      setIssuers(chains);
    },

    /** Forgets what no token that is alive can contradict. */
    prune(): void {
      const before = now() - memoryMs;
      snapshot.prune(new Date(before));
      for (const [key, view] of recent)
        if (Date.parse((view as { at: string }).at) < before) recent.delete(key);
        else break;
    },

    /** One page from which {@link load} makes the same again. */
    dump: (): SnapshotPage => ({
      ...foundations!,
      ...place,
      cursor: encodeCursor(place),
      jwks: { keys: tokenKeys.shown() },
      policies: [...policies.values()],
      segments: [...segments.values()],
      ...(pipelines && { pipelines: [...pipelines.values()] }),
      things: [...recent.values()],
      certificates: [],
    }),
  };

  function hear(chain: string): void {
    heard = [...heard.filter((each) => each !== chain), chain].slice(-mostHeard);
    setIssuers(foundations?.issuers ?? []);
  }

  function setIssuers(chains: string[]): void {
    const all = [...new Set([...chains, ...heard])];
    issuers.load(all);
    foundations = { ...foundations!, issuers: all };
  }

  function setStatus(status: string): void {
    foundations = { ...foundations!, account: { name: account(), status } };
  }
}

const foundationsOf = (first: SnapshotPage): SnapshotPage => {
  const { next: _next, pipelines: _pipelines, ...rest } = first;
  return { ...rest, policies: [], segments: [], things: [], certificates: [] };
};

type OfThing = EntryOf<'certificate' | 'release' | 'thing' | 'thing-changed'>;

/** Whether an entry is about one thing. */
export function isOfThing(entry: LogEntry): entry is OfThing {
  return ['certificate', 'release', 'thing', 'thing-changed'].includes(entry.type);
}

function recentKeyOf(entry: OfThing): string {
  return entry.type === 'certificate' || entry.type === 'release'
    ? entry.payload.fingerprint
    : `${entry.type} ${entry.payload.thingName}`;
}

/** Whose rights an entry changes. */
export function changeOf(entry: LogEntry, cursor: string): Change {
  return {
    cursor,
    things: new Set(isOfThing(entry) ? [entry.payload.thingName] : []),
    everything: ['policy', 'segment', 'account', 'key'].includes(entry.type),
    sessions: new Set(entry.type === 'session' ? [entry.payload.id] : []),
  };
}

/** Both changes as one, up to the later place. */
export function joinChanges(one: Change | undefined, other: Change): Change {
  if (!one) return other;
  return {
    cursor: other.cursor,
    things: new Set([...one.things, ...other.things]),
    everything: one.everything || other.everything,
    sessions: new Set([...one.sessions, ...other.sessions]),
  };
}
