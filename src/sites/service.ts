import type { Grantee } from '../access/grantee.js';
import { requireRegistrant, requireRest } from '../access/registrant.js';
import type { Clock } from '../clock.js';
import type { Deliveries } from '../deliveries/verbs.js';
import { DomainError } from '../errors.js';
import type { SiteReport } from './schema.js';
import { nextSignal, utilizationOf, withSample, type Sample } from './signal.js';
import type { Noted, Reporting, Site, SiteFilter, SiteStore } from './store.js';

export type { Site } from './store.js';

type Deps = { store: SiteStore; clock: Clock; publish: Deliveries['publish'] };

export type SiteService = ReturnType<typeof createSiteService>;

/** The machines that edges run on: what they have, what is in use, and whether there should be more or fewer of them. */
export function createSiteService({ store, clock, publish }: Deps) {
  return {
    /**
     * Notes what an edge says of its machine. A signal that begins or ends is told in the same transaction.
     * @throws DomainError `not-found`, `forbidden`, `too-many-requests`
     */
    async report({ account, id: keyId }: Grantee, id: string, report: SiteReport): Promise<void> {
      const at = clock();
      await store.transaction(async (tx) => {
        const before = await store.lock(tx, account, id);
        requireRegistrant(before, id, keyId);
        requireRest(before, at, 'a site is reported once a second at most');
        const noted = noteOf(before, report, at);
        await store.write(tx, account, id, noted);
        const { signal, samples } = noted;
        if (signal === (before.signal ?? 'steady')) return;
        const data = { edge: id, name: before.name, signal, utilization: utilizationOf(samples)! };
        const [messageId, subject] = [`site-${id}-${at.getTime()}`, `proxy:${before.name}`];
        await publish(tx, account, { messageId, type: `site.${signal}`, subject, data, at });
      });
    },

    list: (account: string, filter: SiteFilter, after: string | undefined, limit: number): Promise<Site[]> =>
      store.list(account, filter, after, limit, clock()),

    /** @throws DomainError `not-found` */
    async get(account: string, id: string): Promise<Site> {
      const site = await store.find(account, id, clock());
      if (site) return site;
      throw new DomainError('not-found', `there is no site ${id}: GET /v1/sites lists those that there are`);
    },
  };
}

function noteOf(before: Reporting, report: SiteReport, at: Date): Noted {
  const samples = withSample(before.samples ?? [], sampleOf(report, at));
  const signal = nextSignal(before.signal ?? 'steady', utilizationOf(samples));
  const signalSince = signal === before.signal ? before.signalSince! : at;
  return { ...report, samples, signal, signalSince, at };
}

/** No more is in use than there is, whatever an edge says. */
function sampleOf({ capacity, load }: SiteReport, at: Date): Sample {
  const memory = capacity.memory > 0 ? Math.min(1, load.memory / capacity.memory) : 0;
  return { at: at.getTime(), cpu: load.cpu, memory };
}
