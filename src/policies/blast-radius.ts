import { rfc3339, type Clock } from '../clock.js';
import { compilePolicies, type CompiledPolicies, type PolicyVersion } from '../policy/compile.js';
import type { Context } from '../policy/condition.js';
import { decide } from '../policy/decide.js';
import { weightOf } from '../policy/weight.js';
import { probesOf, type Probe } from '../policy/probe.js';
import { createPrincipal, type Principal } from '../policy/variables.js';
import { inSlices } from '../slices.js';
import { createBudget, type Budget } from '../api/preview-turns.js';
import { outcomeOf, variablesOf } from './preview-shapes.js';
import type { BlastRadius } from './schema.js';
import type { CarryingThing, PolicyStore } from './store.js';

/** A recent decision. */
export type RecentDecision = { at: Date; thingName: string; action: string; resource: string; context: Context };

type Deps = {
  store: Pick<PolicyStore, 'activeNamed' | 'carrying' | 'countCarrying' | 'thingsNamed'>;
  clock: Clock;
  version(account: string, name: string, wanted: number): Promise<PolicyVersion>;
  recentDecisions(account: string, policy: string, limit: number): Promise<RecentDecision[]>;
};

const dayMs = 86_400_000;
const weekMs = 7 * dayMs;
const mostProbes = 200;
const mostThings = 10_000;
const thingsPerPage = 200;
const mostDecisions = 2000;
const mostExamples = 50;
const mostChanges = 10;
const mostCharacters = 65_536;
// Some seconds of work, in turns with everybody else's.
const mostSteps = 1_000_000;
const weightPerStep = 64;

/** Both sides of an activation, for the things that carry one list of policies. */
type Sides = {
  before: CompiledPolicies;
  after: CompiledPolicies;
  /** Of asking both once. */
  cost: number;
  /** How far ahead is looked for the next edge of a window at once; Infinity where there are no windows. */
  stride: number;
};
type Change = NonNullable<BlastRadius['things']['examples'][number]>['changes'][number];
type Examined = { thingName: string; changes: Change[] };

/** What the activation of a version would change: for recent decisions, and in the week to come. */
export function createBlastRadius({ store, clock, version, recentDecisions }: Deps) {
  /** Compiled once for every list of policies that things carry, and each policy once for all lists. */
  const createSides = (account: string, next: PolicyVersion) => {
    const active = new Map<string, PolicyVersion>();
    const compiled = new Map<PolicyVersion, CompiledPolicies[number]>();
    const sides = new Map<string, Sides>();
    const compileOnce = (policy: PolicyVersion) => {
      const known = compiled.get(policy) ?? compilePolicies([policy])[0]!;
      compiled.set(policy, known);
      return known;
    };
    return async (names: string[]): Promise<Sides> => {
      const key = names.join(' ');
      const known = sides.get(key);
      if (known) return known;
      const unread = names.filter((each) => !active.has(each));
      for (const [each, policy] of await store.activeNamed(account, unread)) active.set(each, policy);
      const before = names.flatMap((each) => active.get(each) ?? []);
      const after = before.map((policy) => (policy.name === next.name ? next : policy));
      const documents = [...before, ...after].map(({ document }) => document);
      const made = {
        before: before.map(compileOnce),
        after: after.map(compileOnce),
        cost: 1 + Math.ceil(documents.reduce((sum, document) => sum + weightOf(document), 0) / weightPerStep),
        stride: documents.some(hasWindows) ? dayMs : Infinity,
      };
      sides.set(key, made);
      return made;
    };
  };

  return async (account: string, name: string, wanted: number): Promise<BlastRadius> => {
    const next = await version(account, name, wanted);
    const current = (await store.activeNamed(account, [name])).get(name)!;
    const sidesOf = createSides(account, next);
    const budget = createBudget(mostSteps);
    const decisions = await examineDecisions();
    return { decisions, things: await examineThings() };

    async function examineDecisions(): Promise<BlastRadius['decisions']> {
      const recent = await recentDecisions(account, name, mostDecisions);
      const names = [...new Set(recent.map(({ thingName }) => thingName))];
      const carriers = new Map((await store.thingsNamed(account, names)).map((thing) => [thing.name, thing]));
      const examples = createExamples<BlastRadius['decisions']['examples'][number]>();
      let [examined, changed] = [0, 0];
      for (const { at, thingName, ...asked } of recent) {
        const thing = carriers.get(thingName);
        if (!thing) {
          examined++;
          continue;
        }
        const sides = await sidesOf(thing.policies);
        const principal = createPrincipal(variablesOf(account, thing, thing));
        const change = await inSlices(findChange(sides, principal, asked, at.getTime(), at.getTime(), budget));
        if (change === 'unknown') break;
        examined++;
        if (!change) continue;
        changed++;
        examples.add({ thingName, ...change });
      }
      return { examined, changed, examples: examples.shown };
    }

    async function examineThings(): Promise<BlastRadius['things']> {
      const now = clock().getTime();
      const examples = createExamples<Examined>();
      let [examined, changed] = [0, 0];
      let page = await store.carrying(account, name, undefined, thingsPerPage);
      while (page.length > 0 && examined < mostThings) {
        for (const thing of page) {
          const sides = await sidesOf(thing.policies);
          const { changes, complete } = await inSlices(examine(thing, sides, now));
          if (changes.length > 0) changed++;
          if (changes.length > 0) examples.add({ thingName: thing.name, changes });
          if (!complete) return describe();
          examined++;
        }
        page = await store.carrying(account, name, page.at(-1)!.name, thingsPerPage);
      }
      return describe();

      async function describe(): Promise<BlastRadius['things']> {
        return { carrying: await store.countCarrying(account, name), examined, changed, examples: examples.shown };
      }
    }

    /** Asks what both versions were written for, at every instant of a week at which an answer may change. */
    function* examine(
      thing: CarryingThing,
      sides: Sides,
      now: number,
    ): Generator<void, { changes: Change[]; complete: boolean }> {
      const principal = createPrincipal(variablesOf(account, thing, thing));
      const changes: Change[] = [];
      const asked = new Set<string>();
      for (const probe of probesOf(current.document.statements, next.document.statements, principal)) {
        yield;
        if (!budget.spend(1)) return { changes, complete: false };
        const key = JSON.stringify(probe);
        if (asked.has(key)) continue;
        if (asked.size === mostProbes) break;
        asked.add(key);
        const change = yield* findChange(sides, principal, probe, now, now + weekMs, budget);
        if (change === 'unknown') return { changes, complete: false };
        if (change) changes.push(change);
        if (changes.length === mostChanges) break;
      }
      return { changes, complete: true };
    }
  };
}

/**
 * The first instant, `from` to `until`, at which the two sides answer a question differently; 'unknown' when the
 * budget ends before. Between two edges of windows no answer changes.
 */
function* findChange(
  { before, after, cost, stride }: Sides,
  principal: Principal,
  { action, resource, context }: Probe,
  from: number,
  until: number,
  budget: Budget,
): Generator<void, Change | undefined | 'unknown'> {
  for (let at = from; at <= until;) {
    yield;
    if (!budget.spend(cost)) return 'unknown';
    const query = { action, resource, context, at, horizon: Math.min(until, at + stride) };
    const [was, is] = [decide(before, principal, query), decide(after, principal, query)];
    if (was.allowed !== is.allowed)
      return { at: rfc3339(new Date(at)), action, resource, context, before: outcomeOf(was), after: outcomeOf(is) };
    at = Math.min(was.changesAt, is.changesAt, at + stride);
  }
  return undefined;
}

function hasWindows({ statements }: PolicyVersion['document']): boolean {
  return statements.some(({ condition }) => condition?.timeWindows !== undefined);
}

/** Keeps the first of what is found, as far as somebody reads. */
function createExamples<Example>() {
  const shown: Example[] = [];
  let characters = 0;
  return {
    shown,
    add(example: Example): void {
      characters += JSON.stringify(example).length;
      if (shown.length < mostExamples && characters <= mostCharacters) shown.push(example);
    },
  };
}
