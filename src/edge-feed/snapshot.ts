import { addSeconds, rfc3339, type Clock } from '../clock.js';
import { DomainError } from '../errors.js';
import { followAnew, type LogCursor } from '../log/cursor.js';
import { edgeView, publicKeyView, type ActivePipeline, type EdgeEntry } from '../log/edge-view.js';
import type { PolicyVersion } from '../policy/compile.js';
import { encodeMark, parseMark, type PageMark } from './page-mark.js';
import type { EdgeAccount, EdgeSegment, EdgeStore, Instant } from './store.js';

type Deps = {
  store: EdgeStore;
  clock: Clock;
  /** The `iss` of access tokens. */
  tokenIssuer: string;
  /** How long the log is remembered about things, in seconds: longer than an access token lives. */
  memorySeconds: number;
  /** For every unexpired authority that issues, its certificate and those above it, PEM. */
  chains(account: string): Promise<string[]>;
};

/** What only the first page has, as far as it is read at one instant. */
type InstantFoundations = { account: EdgeAccount; jwks: { keys: object[] } };

type Foundations = InstantFoundations & { tokenIssuer: string; issuers: string[] };

/** A page of a snapshot. `next` is the mark of the page after it. */
export type EdgeSnapshotPage = LogCursor & Parts & { foundations: Foundations | undefined };

type InstantPage = LogCursor & Parts & { foundations: InstantFoundations | undefined };

type Parts = {
  policies: PolicyVersion[];
  segments: EdgeSegment[];
  pipelines: ActivePipeline[];
  things: EdgeEntry[];
  certificates: EdgeEntry[];
  next: string | undefined;
};

export type EdgeSnapshots = ReturnType<typeof createEdgeSnapshots>;

const parts = ['policies', 'segments', 'pipelines', 'recent'] as const;

/** Everything that an edge decides from, page by page. */
export function createEdgeSnapshots({ store, clock, tokenIssuer, memorySeconds, chains }: Deps) {
  const foundationsOf = async (instant: Instant): Promise<InstantFoundations> => {
    const keys = await instant.tokenKeys(clock());
    return {
      account: await instant.account(),
      jwks: {
        keys: keys.map(({ kid, algorithm: alg, publicJwk, retiresAt }) => ({
          ...publicKeyView({ ...publicJwk, kid, alg, use: 'sig' }),
          // The entry that says so may be before the place of this snapshot.
          ...(retiresAt && { retiresAt: rfc3339(retiresAt) }),
        })),
      },
    };
  };

  /** Reads a part from where the page before ended, and says what was last when there is more of it. */
  const readPart = async (instant: Instant, { part, after, position }: PageMark, page: Parts) => {
    if (part === 'policies') {
      const { rows, more } = await instant.policies(after);
      page.policies = rows;
      return more ? rows.at(-1)!.name : undefined;
    }
    if (part === 'segments') {
      const { rows, more } = await instant.segments(after);
      page.segments = rows;
      return more ? rows.at(-1)!.name : undefined;
    }
    if (part === 'pipelines') {
      const { rows, more } = await instant.pipelines(after);
      page.pipelines = rows;
      return more ? rows.at(-1)!.name : undefined;
    }
    const since = addSeconds(clock(), -memorySeconds);
    const { rows, more } = await instant.recent(since, Number(after), position);
    for (const entry of rows) (isOfCertificate(entry) ? page.certificates : page.things).push(edgeView(entry));
    return more ? String(rows.at(-1)!.position) : undefined;
  };

  const readPage = async (instant: Instant, mark: string | undefined): Promise<InstantPage> => {
    const head = await instant.head();
    const from: PageMark = mark === undefined ? { ...head, part: 'policies', after: '' } : parseMark(mark);
    if (from.epoch !== head.epoch) throw followAnew(edgeSnapshotPath);
    if (from.position > head.position)
      throw new DomainError('invalid-request', 'page: follow the next of this snapshot unchanged');
    const { epoch, position } = from;
    const page: InstantPage = {
      epoch,
      position,
      foundations: mark === undefined ? await foundationsOf(instant) : undefined,
      policies: [],
      segments: [],
      pipelines: [],
      things: [],
      certificates: [],
      next: undefined,
    };
    for (const part of parts.slice(parts.indexOf(from.part))) {
      const after = part === from.part ? from.after : '';
      const last = await readPart(instant, { epoch, position, part, after }, page);
      if (last === undefined) continue;
      page.next = encodeMark({ epoch, position, part, after: last });
      break;
    }
    return page;
  };

  return {
    /**
     * The first page, or the one that a mark leads to. All pages of a snapshot have the place of the first. A later page may hold
     * what changed since; the log after that place says it again, and every entry says all that there is to know.
     * @throws DomainError `invalid-request`, `epoch-changed`
     */
    async read(account: string, mark: string | undefined): Promise<EdgeSnapshotPage> {
      const { foundations, ...page } = await store.atOnce(account, (instant) => readPage(instant, mark));
      if (!foundations) return { ...page, foundations };
      // Read after the place, so that none is missing; and not inside, where it would wait for another connection.
      return { ...page, foundations: { ...foundations, tokenIssuer, issuers: await chains(account) } };
    },
  };
}

/** Where an edge starts. */
export const edgeSnapshotPath = '/v1/edge/snapshot';

const isOfCertificate = ({ type }: { type: string }): boolean => type === 'certificate' || type === 'release';
