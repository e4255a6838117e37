import { setImmediate } from 'node:timers/promises';
import { rfc3339, type Clock } from '../clock.js';
import { DomainError } from '../errors.js';
import { compilePolicies, type CompiledPolicies, type PolicyVersion } from '../policy/compile.js';
import type { Context } from '../policy/condition.js';
import { decide, type Decision, type Query } from '../policy/decide.js';
import { explain } from '../policy/explain.js';
import { parsePolicy } from '../policy/policy.js';
import { probesOf } from '../policy/probe.js';
import { createPrincipal, type Principal, type Variables } from '../policy/variables.js';
import { zoneDataVersion } from '../policy/zone.js';
import type { BlastRadius, Simulated, Simulation } from './schema.js';
import type { CarryingThing, PolicyStore } from './store.js';

/** A decision that was made lately. */
type RecentDecision = { at: Date; thingName: string; action: string; resource: string; context: Context };

type Deps = {
  store: PolicyStore;
  clock: Clock;
  recentDecisions(account: string, policy: string, limit: number): Promise<RecentDecision[]>;
  validitySeconds: number;
};

const mostProbes = 200;
const mostSimulated = 20_000;
const mostThings = 10_000;
const mostDecisions = 2000;
const mostExamples = 50;
const mostChanges = 10;
// Other requests get their turn in between.
const thingsPerTurn = 50;

/** What policies would say: to imagined questions, and before they are activated. */
export function createPolicyPreview({ store, clock, recentDecisions, validitySeconds }: Deps) {
  const version = async (account: string, name: string, wanted: number | undefined): Promise<PolicyVersion> => {
    const number = wanted ?? (await store.find(account, name))?.activeVersion;
    const found = number === undefined ? undefined : await store.findVersion(account, name, number);
    if (found) return found;
    throw new DomainError(
      'unknown-policy',
      `there is no ${wanted === undefined ? '' : `version ${wanted} of a `}policy ${name}`,
    );
  };

  const policiesOf = (account: string, policies: NonNullable<Simulation['policies']>): Promise<PolicyVersion[]> =>
    Promise.all(
      policies.map(async (written) => {
        if (!('statements' in written)) return version(account, written.name, written.version);
        const document = parsePolicy({ name: 'imagined', ...written });
        return { name: document.name, version: 0, document };
      }),
    );

  /** The things of these names that exist. */
  const realThings = async (account: string, { requests }: Simulation): Promise<Map<string, CarryingThing>> => {
    const names = [...new Set(requests.map(({ thing }) => thing.name))];
    return new Map((await store.thingsNamed(account, names)).map((thing) => [thing.name, thing]));
  };

  const simulate = async (account: string, simulation: Simulation): Promise<Simulated> => {
    const given = simulation.policies && (await policiesOf(account, simulation.policies));
    requireFeasible(given ?? [], simulation.requests.length);
    const real = await realThings(account, simulation);
    const active = given ? new Map<string, PolicyVersion>() : await store.active(account);
    const decisions: Simulated['decisions'] = [];
    for (const { thing, action, resource, context = {}, at } of simulation.requests) {
      // Each statement is explained for each request: others get their turn in between.
      await setImmediate();
      const registered = thing.account === undefined || thing.account === account ? real.get(thing.name) : undefined;
      const policies = given ?? (registered?.policies ?? []).flatMap((name) => active.get(name) ?? []);
      const principal = createPrincipal(variablesOf(account, thing, registered));
      const asked = at === undefined ? clock().getTime() : Date.parse(at);
      const query = { action, resource, context, at: asked, horizon: asked + validitySeconds * 1000 };
      decisions.push(answer(policies, principal, query));
    }
    return { zoneData: zoneDataVersion(), decisions };
  };

  const answer = (policies: PolicyVersion[], principal: Principal, query: Query): Simulated['decisions'][number] => {
    const decision = decide(compilePolicies(policies), principal, query);
    const { statement, changesAt } = decision;
    const validUntil = new Date(Math.min(query.at + validitySeconds * 1000, changesAt));
    return {
      ...outcomeOf(decision),
      ...(statement ? { policy: statement.policy, statement: statement.id } : {}),
      validUntil: rfc3339(validUntil),
      statements: explain(policies, principal, query),
    };
  };

  /** Both sides of an activation, compiled once for every list of policies that things carry. */
  const sides = (active: Map<string, PolicyVersion>, next: PolicyVersion) => {
    const compiled = new Map<string, { before: CompiledPolicies; after: CompiledPolicies }>();
    return (names: string[]) => {
      const key = names.join(' ');
      const known = compiled.get(key);
      if (known) return known;
      const before = names.flatMap((name) => active.get(name) ?? []);
      const after = before.map((policy) => (policy.name === next.name ? next : policy));
      const made = { before: compilePolicies(before), after: compilePolicies(after) };
      compiled.set(key, made);
      return made;
    };
  };

  const blastRadius = async (account: string, name: string, wanted: number): Promise<BlastRadius> => {
    const next = await version(account, name, wanted);
    const active = await store.active(account);
    const current = active.get(name)!;
    const sidesOf = sides(active, next);

    const compare = (thing: CarryingThing, query: Query) => {
      const { before, after } = sidesOf(thing.policies);
      const principal = createPrincipal(variablesOf(account, thing, thing));
      const [was, is] = [outcomeOf(decide(before, principal, query)), outcomeOf(decide(after, principal, query))];
      const { action, resource, context } = query;
      return was.decision === is.decision ? undefined : { action, resource, context, before: was, after: is };
    };

    const { count, things } = await store.carrying(account, name, mostThings);
    const changedThings: BlastRadius['things']['examples'] = [];
    for (const [index, thing] of things.entries()) {
      if (index % thingsPerTurn === 0) await setImmediate();
      const variables = variablesOf(account, thing, thing);
      const probes = [...probesOf(current.document, variables), ...probesOf(next.document, variables)];
      const changes = distinct(probes)
        .slice(0, mostProbes)
        .flatMap((probe) => compare(thing, { ...probe, at: clock().getTime() }) ?? []);
      if (changes.length > 0) changedThings.push({ thingName: thing.name, changes: changes.slice(0, mostChanges) });
    }

    const recent = await recentDecisions(account, name, mostDecisions);
    const carriers = new Map(
      (await store.thingsNamed(account, [...new Set(recent.map(({ thingName }) => thingName))])).map((thing) => [
        thing.name,
        thing,
      ]),
    );
    const changedDecisions = recent.flatMap(({ at, thingName, ...asked }) => {
      const thing = carriers.get(thingName);
      const change = thing && compare(thing, { ...asked, at: at.getTime() });
      return change ? [{ at: rfc3339(at), thingName, ...change }] : [];
    });

    return {
      decisions: {
        examined: recent.length,
        changed: changedDecisions.length,
        examples: changedDecisions.slice(0, mostExamples),
      },
      things: {
        carrying: count,
        examined: things.length,
        changed: changedThings.length,
        examples: changedThings.slice(0, mostExamples),
      },
    };
  };

  return {
    /** What policies say to each question, the statement that decided, and what every other statement said. @throws DomainError `invalid-policy`, `unknown-policy` */
    simulate,
    /** What activating a version would change. Writes nothing. @throws DomainError `unknown-policy` */
    blastRadius,
  };
}

export type PolicyPreview = ReturnType<typeof createPolicyPreview>;

/** @throws DomainError `invalid-request` for more statements to explain than anybody reads */
function requireFeasible(policies: PolicyVersion[], requests: number): void {
  const statements = policies.reduce((sum, { document }) => sum + document.statements.length, 0);
  if (statements * requests <= mostSimulated) return;
  throw new DomainError(
    'invalid-request',
    `${requests} requests and ${statements} statements make more than ${mostSimulated} explanations: send fewer at once`,
  );
}

type ImaginedThing = Simulation['requests'][number]['thing'];

/** A thing as the request imagines it; what it leaves out comes from the registry, when there is such a thing. */
function variablesOf(
  account: string,
  { name, type, attributes, account: other, serialNumber }: ImaginedThing,
  registered: CarryingThing | undefined,
): Variables {
  return {
    account: other ?? account,
    thing: { name, type: type ?? registered?.type, attributes: attributes ?? registered?.attributes ?? {} },
    ...(serialNumber === undefined ? {} : { certificate: { serialNumber } }),
  };
}

function outcomeOf({ allowed, reason, statement }: Decision): { decision: 'allow' | 'deny'; reasons: string[] } {
  return { decision: allowed ? 'allow' : 'deny', reasons: [statement?.id ?? reason] };
}

function distinct<Item>(items: Item[]): Item[] {
  return [...new Map(items.map((item) => [JSON.stringify(item), item])).values()];
}
