import { octetsOf, processorsOf, type PipelineCost } from '../pipeline/cost.js';
import type { PipelineDocument } from '../pipeline/document.js';

/** What a pipeline takes of a site, as its edge measures it. */
type Measured = {
  name: string;
  version: number;
  messages?: number | undefined;
  cpu?: number | undefined;
  things?: number | undefined;
};

/** A site as its edge reported it last. */
export type SiteState = {
  id: string;
  name: string;
  capacity: { cores: number; memory: number };
  load: {
    cpu: number;
    memory: number;
    messages: number;
    sessions: number;
    types?: { type: string; messages: number }[] | undefined;
    pipelines: Measured[];
  };
};

/** A version of a pipeline, and what it may cost. */
export type Costed = { name: string; version: number; match: PipelineDocument['match']; cost: PipelineCost };

/** What an activation would change: the version that is active now gives way to the candidate. All others stay. */
export type Change = { candidate: Costed; before: Costed | undefined; others: readonly Costed[] };

/** Shares of what a site has, now and as planned. */
export type Share = { present: number; planned: number };

/** What would be in use of a site, and of what there is not enough. */
export type SitePlan = { id: string; name: string; fits: boolean; over: Resource[]; cpu: Share; memory: Share };

type Resource = 'cpu' | 'memory';

type Amount = { cpu: number; memory: number };

/** Nobody is planned above this share. */
export const mostPlanned = 0.9;

/** An edge reports so many types of things, and nothing about the others. */
export const mostTypes = 100;

/** What an activation makes of a site. What costs no more than the version that is active now always fits. */
export function planSite(site: SiteState, { candidate, before, others }: Change): SitePlan {
  const { capacity, load } = site;
  const planned: Amount = { cpu: load.cpu * capacity.cores, memory: load.memory };
  for (const other of others) add(planned, wholeOf(site, other, other), presentOf(site, other));
  const running = before && presentOf(site, before);
  const whole = wholeOf(site, candidate, before);
  add(planned, whole, running);
  const now = before ? wholeOf(site, before, before) : { cpu: 0, memory: 0 };
  const shares = {
    cpu: { present: load.cpu, planned: shareOf(planned.cpu, capacity.cores) },
    memory: { present: shareOf(load.memory, capacity.memory), planned: shareOf(planned.memory, capacity.memory) },
  };
  const over = (['cpu', 'memory'] as const).filter(
    (what) => shares[what].planned > mostPlanned && whole[what] > now[what],
  );
  return { id: site.id, name: site.name, fits: over.length === 0, over, ...shares };
}

function add(planned: Amount, whole: Amount, present: Amount | undefined): void {
  planned.cpu += whole.cpu - (present?.cpu ?? 0);
  planned.memory += whole.memory - (present?.memory ?? 0);
}

/** What a version may come to take of a site. `known` is the version that may run there now. */
function wholeOf(site: SiteState, { match, cost }: Costed, known: Costed | undefined): Amount {
  const measured = known && measuredOf(site, known);
  const isSame = known !== undefined && sameMatch(known.match, match);
  const messages = (isSame ? measured?.messages : undefined) ?? messagesOf(site, match);
  const things = Math.min(cost.things, Math.max(site.load.sessions, measured?.things ?? 0));
  const pace = measured && known ? paceOf(measured, known.cost) : 1;
  return { cpu: processorsOf(cost, { messages, things }, pace), memory: octetsOf(cost) };
}

/** What of it is in the load already; undefined where that version does not run yet. */
function presentOf(site: SiteState, known: Costed): Amount | undefined {
  const measured = measuredOf(site, known);
  if (!measured) return undefined;
  const { cost } = known;
  const { cpu } = wholeOf(site, known, known);
  return { cpu, memory: cost.octetsOfThing * Math.min(cost.things, measured.things ?? 0) };
}

const measuredOf = ({ load }: SiteState, { name, version }: Costed): Measured | undefined =>
  load.pipelines.find((each) => each.name === name && each.version === version);

// Fewer messages say nothing of what one costs.
const leastMessages = 1;
const paces = { least: 0.25, most: 8 };

/** How a message's cost at a site compares with the table. */
function paceOf({ messages = 0, cpu }: Measured, { steps }: PipelineCost): number {
  if (cpu === undefined || messages < leastMessages) return 1;
  return Math.min(paces.most, Math.max(paces.least, (cpu * 1e6) / (messages * steps)));
}

/** Messages a second that could be of a match; topics are not looked at. */
function messagesOf({ load }: SiteState, { types }: PipelineDocument['match']): number {
  if (!types || !load.types) return load.messages;
  const named = load.types.reduce((sum, { messages }) => sum + messages, 0);
  const own = load.types.filter(({ type }) => types.includes(type)).reduce((sum, { messages }) => sum + messages, 0);
  // Of types that are not told the rest is known.
  const isWhole =
    load.types.length < mostTypes || types.every((type) => load.types!.some((each) => each.type === type));
  return isWhole ? own : own + Math.max(0, load.messages - named);
}

const sameMatch = (a: PipelineDocument['match'], b: PipelineDocument['match']): boolean =>
  JSON.stringify([a.types, a.topics]) === JSON.stringify([b.types, b.topics]);

const shareOf = (amount: number, of: number): number => (of > 0 ? Math.max(0, amount / of) : amount > 0 ? 1 : 0);
