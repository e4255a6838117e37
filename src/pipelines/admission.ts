import type { Transaction } from '../db/client.js';
import { DomainError } from '../errors.js';
import { costOf } from '../pipeline/cost.js';
import { lintPipeline } from '../pipeline/lint.js';
import { inSlicesOf } from '../slices.js';
import { planSite, type Change, type Costed, type SitePlan, type SiteState } from './plan.js';
import type { ActiveVersion, PipelineStore, WrittenDocument } from './store.js';

type Reader = Pick<Transaction, '$queryRaw'>;

/** Reads the machines of edges. */
export type Sites = {
  fresh(tx: Reader, account: string, after: string | undefined, limit: number): Promise<SiteState[]>;
  stale(tx: Reader, account: string, limit: number): Promise<{ names: string[]; count: number }>;
};

type Deps = { store: Pick<PipelineStore, 'lockAccount' | 'active' | 'read'>; sites: Sites };

/** A version that may become the active one. */
export type Candidate = { version: number; document: WrittenDocument };

/** What an activation would make of the sites of an account. */
export type AccountPlan = {
  fits: boolean;
  /** Those without room first, and not more than are shown. */
  sites: SitePlan[];
  unknown: string[];
  counts: { sites: number; refusing: number; unknown: number };
};

export type Admission = ReturnType<typeof createAdmission>;

const pageSize = 200;
const mostSites = 100;
const mostNamed = 10;

/** A version of a pipeline is activated only where there is room for it. */
export function createAdmission({ store, sites }: Deps) {
  const changeOf = async (
    tx: Reader,
    account: string,
    name: string,
    candidate: Candidate,
  ): Promise<Change | undefined> => {
    const costed = costedOf({ name, ...candidate });
    if (!costed) return undefined;
    const [others, before]: [Costed[], Costed[]] = [[], []];
    await inSlicesOf(await store.active(tx, account), 4, (some) => {
      for (const each of some) {
        const running = costedOf(each);
        if (running) (each.name === name ? before : others).push(running);
      }
    });
    return { candidate: costed, before: before[0], others };
  };

  const planIn = async (tx: Reader, account: string, name: string, candidate: Candidate): Promise<AccountPlan> => {
    const change = await changeOf(tx, account, name, candidate);
    const [refusing, fitting]: [SitePlan[], SitePlan[]] = [[], []];
    const counts = { sites: 0, refusing: 0, unknown: 0 };
    for (let after: string | undefined; change;) {
      const page = await sites.fresh(tx, account, after, pageSize);
      await inSlicesOf(page, 10, (some) => {
        for (const site of some) {
          const plan = planSite(site, change);
          counts.sites++;
          if (!plan.fits) counts.refusing++;
          const list = plan.fits ? fitting : refusing;
          if (list.length < mostSites) list.push(plan);
        }
      });
      if (page.length < pageSize) break;
      after = page.at(-1)!.id;
    }
    const { names: unknown, count } = await sites.stale(tx, account, mostSites);
    counts.unknown = count;
    return { fits: counts.refusing === 0, sites: [...refusing, ...fitting].slice(0, mostSites), unknown, counts };
  };

  return {
    /** What it would make of the sites, and nothing else. */
    plan: (account: string, name: string, candidate: Candidate): Promise<AccountPlan> =>
      store.read((tx) => planIn(tx, account, name, candidate)),

    /** First in a transaction that activates something: of two at once, the second sees what the first made active. */
    begin: store.lockAccount,

    /** @throws DomainError `site-capacity` where a site has no room. Only who may see sites is told which */
    async require(tx: Reader, account: string, name: string, candidate: Candidate, showsSites: boolean): Promise<void> {
      const plan = await planIn(tx, account, name, candidate);
      if (!plan.fits) throw refusalOf(plan, showsSites);
    },
  };
}

/** Undefined for what this version of Thingward cannot read: then no edge of this version runs it. */
function costedOf({ name, version, document: written }: ActiveVersion): Costed | undefined {
  const { document } = lintPipeline(written);
  return document && { name, version, match: document.match, cost: costOf(document) };
}

function refusalOf({ sites, counts }: AccountPlan, showsSites: boolean): DomainError {
  const without = sites.filter(({ fits }) => !fits);
  const named = showsSites ? without.slice(0, mostNamed) : [];
  const shown = named.length > 0 ? `: ${named.map(wordsOf).join(', ')}` : '';
  return new DomainError(
    'site-capacity',
    `${counts.refusing} of ${counts.sites} sites would be above 90 % of their CPU or memory${shown}. Nothing was changed. Lower \`maxThings\` or windows, ` +
      'take another pipeline or load off these sites, or give them more; dryRun shows the plan of each',
    { count: counts.refusing, ...(showsSites ? { sites: named } : {}) },
  );
}

const percent = (share: number): string => `${Math.round(share * 100)} %`;

function wordsOf({ name, over, ...shares }: SitePlan): string {
  const words = over.map((what) => {
    const { present, planned } = shares[what];
    return `${percent(planned)} of ${what === 'cpu' ? 'its CPU' : 'its memory'} (${percent(present)} now)`;
  });
  return `${name} ${words.join(' and ')}`;
}
