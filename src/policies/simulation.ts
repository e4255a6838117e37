import { rfc3339, type Clock } from '../clock.js';
import { DomainError } from '../errors.js';
import { compilePolicies, type CompiledPolicies, type PolicyVersion } from '../policy/compile.js';
import { decide, type Query } from '../policy/decide.js';
import { createExplainers, type Explainer } from '../policy/explain.js';
import { weightOf } from '../policy/weight.js';
import { quote } from '../policy/limits.js';
import { parsePolicy } from '../policy/policy.js';
import { createPrincipal, type Principal } from '../policy/variables.js';
import { zoneDataVersion } from '../policy/time/zone.js';
import { inSlices } from '../slices.js';
import { outcomeOf, variablesOf } from './preview-shapes.js';
import type { Simulated, Simulation } from './schema.js';
import type { CarryingThing, PolicyStore } from './store.js';

type Deps = {
  store: Pick<PolicyStore, 'thingsNamed' | 'activeNamed'>;
  clock: Clock;
  version(account: string, name: string, wanted: number | undefined): Promise<PolicyVersion>;
  validitySeconds: number;
};

const mostExplanations = 10_000;
const mostWeight = 50_000;
const mostWork = 2_000_000;

/** Policies that are asked together, ready to answer and to say why. */
type Prepared = { compiled: CompiledPolicies; explainers: Explainer[] };

/** Answers imagined questions. */
export function createSimulation({ store, clock, version, validitySeconds }: Deps) {
  /** One after another: each is counted before the next is read. */
  const readGiven = async (account: string, written: NonNullable<Simulation['policies']>): Promise<PolicyVersion[]> => {
    requireDistinct(written);
    const read: PolicyVersion[] = [];
    for (const policy of written) {
      read.push(await readOne(account, policy));
      requireLight(read);
    }
    return read;
  };

  const readOne = async (account: string, written: NonNullable<Simulation['policies']>[number]) => {
    if (!('statements' in written)) return version(account, written.name, written.version);
    const document = parsePolicy({ name: 'imagined', ...written });
    return { name: document.name, version: 0, document };
  };

  function* answerAll(
    account: string,
    { requests }: Simulation,
    policiesOf: (thing: CarryingThing | undefined) => PolicyVersion[],
    real: Map<string, CarryingThing>,
  ): Generator<void, Simulated['decisions']> {
    const prepared = new Map<string, Prepared>();
    const decisions: Simulated['decisions'] = [];
    for (const { thing, action, resource, context = {}, at } of requests) {
      const registered = thing.account === undefined || thing.account === account ? real.get(thing.name) : undefined;
      const policies = policiesOf(registered);
      const key = policies.map(({ name }) => name).join(' ');
      const ready = prepared.get(key) ?? (yield* prepare(policies));
      prepared.set(key, ready);
      const principal = createPrincipal(variablesOf(account, thing, registered));
      const asked = at === undefined ? clock().getTime() : Date.parse(at);
      const query = { action, resource, context, at: asked, horizon: asked + validitySeconds * 1000 };
      decisions.push(yield* answer(ready, principal, query));
    }
    return decisions;
  }

  function* answer(
    { compiled, explainers }: Prepared,
    principal: Principal,
    query: Query,
  ): Generator<void, Simulated['decisions'][number]> {
    const decision = decide(compiled, principal, query);
    const { statement, changesAt } = decision;
    const validUntil = new Date(Math.min(query.at + validitySeconds * 1000, changesAt));
    const statements: Simulated['decisions'][number]['statements'] = [];
    for (const explain of explainers) {
      yield;
      statements.push(explain(principal, query));
    }
    return {
      ...outcomeOf(decision),
      ...(statement ? { policy: statement.policy, statement: statement.id } : {}),
      validUntil: rfc3339(validUntil),
      statements,
    };
  }

  /**
   * What policies say to each question, the statement that decided, and what every other statement said.
   * @throws DomainError `invalid-policy`, `unknown-policy`, `invalid-request` for more than is looked at in one go
   */
  return async (account: string, simulation: Simulation, mayReadThings: boolean): Promise<Simulated> => {
    const { requests } = simulation;
    const given = simulation.policies && (await readGiven(account, simulation.policies));
    const names = mayReadThings ? [...new Set(requests.map(({ thing }) => thing.name))] : [];
    const real = new Map((await store.thingsNamed(account, names)).map((thing) => [thing.name, thing]));
    const carried = given ? [] : [...new Set([...real.values()].flatMap(({ policies }) => policies))];
    const active = await store.activeNamed(account, carried);
    requireLight([...active.values()]);
    const policiesOf = (thing: CarryingThing | undefined) =>
      given ?? (thing?.policies ?? []).flatMap((name) => active.get(name) ?? []);
    requireFeasible(requests.map(({ thing }) => policiesOf(real.get(thing.name))));
    const decisions = await inSlices(answerAll(account, simulation, policiesOf, real));
    return { zoneData: zoneDataVersion(), decisions };
  };
}

function* prepare(policies: PolicyVersion[]): Generator<void, Prepared> {
  const compiled: CompiledPolicies[number][] = [];
  const explainers: Explainer[] = [];
  for (const policy of policies) {
    yield;
    compiled.push(...compilePolicies([policy]));
    yield;
    explainers.push(...createExplainers(policy));
  }
  return { compiled, explainers };
}

/** @throws DomainError `invalid-request` when one policy is named twice: it would only count once */
function requireDistinct(policies: NonNullable<Simulation['policies']>): void {
  const seen = new Set<unknown>();
  for (const { name } of policies) {
    if (typeof name === 'string' && seen.has(name))
      throw new DomainError('invalid-request', `body/policies: ${quote(name)} is named twice: name each once`);
    seen.add(name);
  }
}

/** @throws DomainError `invalid-request` */
function requireLight(policies: PolicyVersion[]): void {
  const weight = policies.reduce((sum, { document }) => sum + weightOf(document), 0);
  if (weight <= mostWeight) return;
  throw new DomainError(
    'invalid-request',
    `these policies have ${weight} parts (actions, levels of resources, windows, ranges, values), more than the limit of ${mostWeight} for one simulation: name fewer policies`,
  );
}

/** @throws DomainError `invalid-request` for more than anybody reads, or waits for */
function requireFeasible(asked: PolicyVersion[][]): void {
  const weights = new Map<PolicyVersion, number>();
  let [explanations, work] = [0, 0];
  for (const policy of asked.flat()) {
    const weight = weights.get(policy) ?? weightOf(policy.document);
    weights.set(policy, weight);
    explanations += policy.document.statements.length;
    work += weight;
  }
  if (explanations > mostExplanations)
    throw new DomainError(
      'invalid-request',
      `${asked.length} requests to these statements make ${explanations} explanations, more than ${mostExplanations}: send fewer requests at once`,
    );
  if (work > mostWork)
    throw new DomainError(
      'invalid-request',
      `${asked.length} requests to policies of this size are ${work} steps, more than ${mostWork}: send fewer requests at once`,
    );
}
