import { randomUUID } from 'node:crypto';
import { addSeconds, type Clock } from '../clock.js';
import { figureOf, type FigureName } from '../metrics/names.js';
import type { EvaluationStore, Moment, Watched } from './evaluation-store.js';
import { judge } from './judge.js';

type Deps = { store: EvaluationStore; clock: Clock; onError(error: unknown): void };

const rulesAtOnce = 500;
const first = '00000000-0000-0000-0000-000000000000';
// What other instances counted is written within so long.
const writtenSeconds = 15;
const oldestGaugesMs = 180_000;

const minuteOf = (at: Date): Date => new Date(Math.floor(at.getTime() / 60_000) * 60_000);

/** Judges every rule of every account, on one instance at a time. */
export function createEvaluation({ store, clock, onError }: Deps) {
  const duty = { name: 'alerts', holder: randomUUID(), seconds: 45 };

  const take = async (rule: Watched, at: Date, isFresh: boolean): Promise<void> => {
    const value = valueOf(rule, isFresh);
    const open = rule.alert
      ? { acknowledged: rule.status === 'acknowledged', notifiedAt: rule.notifiedAt! }
      : undefined;
    switch (judge(rule, open, value, at)) {
      case 'none':
        return;
      case 'meet':
        return store.met(rule.id, at);
      case 'forget':
        return store.met(rule.id, null);
      case 'fire':
        return store.fire(rule, value!, at);
      case 'again':
        return store.again(rule, value!, at);
      case 'resolve':
        return store.resolve(rule, value!, at);
    }
  };

  return {
    /** Judges all rules once, if no other instance does. One that fails does not keep the others from being judged. */
    async run(): Promise<void> {
      const at = clock();
      if (!(await store.takeDuty(duty, at))) return;
      const readAt = await store.gaugesReadAt();
      const isFresh = readAt !== undefined && at.getTime() - readAt.getTime() < oldestGaugesMs;
      const countsFrom = addSeconds(minuteOf(addSeconds(at, -writtenSeconds)), -60);
      const moment: Moment = { at, countsFrom, gaugesAt: minuteOf(readAt ?? at) };
      for (let after = first; ;) {
        const rules = await store.rules(after, moment, rulesAtOnce);
        for (const rule of rules) await take(rule, at, isFresh).catch(onError);
        if (rules.length < rulesAtOnce) return;
        after = rules.at(-1)!.id;
        // A long run keeps the duty, or ends where another took it.
        if (!(await store.takeDuty(duty, clock()))) return;
      }
    },

    prune: (): Promise<void> => store.prune(clock()),
  };

  /** The figure that a rule is judged by; undefined where there is none. */
  function valueOf({ metric, most, last }: Watched, isFresh: boolean): number | undefined {
    if (!store.isGauge(metric)) return most ?? 0;
    if (!isFresh) return undefined;
    return last ?? (figureOf(metric as FigureName).absent === 'zero' ? 0 : undefined);
  }
}
