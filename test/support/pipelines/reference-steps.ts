// What each step does to a whole stream: plain, slow, and from the whole history each time.
import type { StepDocument } from '../../../src/pipeline/document.js';
import {
  sum,
  mean,
  variance,
  median,
  percentile,
  isNumber,
  weighted,
  weightedVariance,
  score,
  slope,
  dominant,
  type Point,
} from './reference-numbers.js';

/** A record by the names of its values, or the passing of time. */
export type Item = {
  tick?: { at: number; seenAt: number };
  at: number;
  time: number;
  from?: number | undefined;
  values: Record<string, unknown>;
  taken: boolean;
  severity: number;
  alerts: object[];
};

/** The numbers of a value up to a place of the stream, that place included. */
const history = (items: Item[], upTo: number, name: string): Point[] =>
  items.slice(0, upTo + 1).flatMap(({ time, values, tick }) => {
    const value = values[name];
    return !tick && isNumber(value) ? [{ time, value }] : [];
  });

const changed = (items: Item[], change: (item: Item, place: number) => Record<string, unknown>): Item[] =>
  items.map((item, place) => (item.tick ? item : { ...item, values: { ...item.values, ...change(item, place) } }));

/** What a step makes of a whole stream. */
export function stepped(step: StepDocument, of: string[], items: Item[]): Item[] {
  const each = (result: (points: Point[], value: number) => Record<string, unknown>, name: string) =>
    changed(items, ({ values }, place) =>
      isNumber(values[name]) ? result(history(items, place, name), values[name]) : {},
    );
  const forAll = (make: (name: string) => Item[]) => {
    const columns = of.map((name) => make(name));
    return items.map((item, place) => ({
      ...item,
      values: Object.assign({}, item.values, ...columns.map((column, n) => own(column[place]!, item, of[n]!))),
    }));
  };
  const own = (after: Item, before: Item, name: string) =>
    Object.fromEntries(
      Object.entries(after.values).filter(([key, value]) => key === name || !Object.is(before.values[key], value)),
    );
  switch (step.kind) {
    case 'outliers':
      return forAll((name) =>
        each((points, value) => {
          const latest = points.slice(-step.window).map((point) => point.value);
          const middle = median(latest);
          const deviation = 1.4826 * median(latest.map((x) => Math.abs(x - middle)));
          const off = Math.abs(value - middle);
          const far = latest.length >= 3 && off > 1e-12 * Math.abs(middle) && off > step.sigmas * deviation;
          return far ? { [name]: step.replace === 'median' ? middle : undefined } : {};
        }, name),
      );
    case 'smooth':
      return forAll((name) =>
        each((points) => {
          const all = points.map(({ value }) => value);
          if (step.smooth === 'average') return { [name]: mean(all.slice(-step.window)) };
          return { [name]: weighted(all, step.alpha) };
        }, name),
      );
    case 'trend':
      return forAll((name) => each((points) => ({ [`${name}.slope`]: slope(points.slice(-step.window)) }), name));
    case 'frequency':
      return forAll((name) =>
        each(
          (points) =>
            points.length % step.window === 0 ? { [`${name}.frequency`]: dominant(points.slice(-step.window)) } : {},
          name,
        ),
      );
    case 'anomaly':
      return changed(items, ({ values }, place) => {
        const scores = of.flatMap((name) => {
          const value = values[name];
          if (!isNumber(value)) return [];
          const before = history(items, place, name)
            .slice(0, -1)
            .map((point) => point.value);
          if (before.length < step.points) return [];
          const latest = before.slice(-step.window);
          return step.anomaly === 'z'
            ? [score(value, mean(latest), variance(latest))]
            : [score(value, weighted(before, step.alpha), weightedVariance(before, step.alpha))];
        });
        return scores.length > 0 ? { [step.as]: Math.max(...scores) } : {};
      });
    case 'threshold':
      return items.map((item) => {
        const value = item.values[step.threshold];
        if (!isNumber(value)) return item;
        const [high, low] = [value > (step.max ?? Infinity), value < (step.min ?? -Infinity)];
        if (!high && !low) return item;
        const alert = {
          value: step.threshold,
          is: value,
          severity: step.severity,
          ...(high ? { max: step.max } : {}),
          ...(low ? { min: step.min } : {}),
        };
        const severity = Math.max(item.severity, ['info', 'warning', 'critical'].indexOf(step.severity));
        return { ...item, severity, alerts: [...item.alerts, alert] };
      });
    case 'redact':
      return changed(items, () => Object.fromEntries(step.redact.map((name) => [name, undefined])));
    case 'deadband':
      return held(items, (item, passed) => {
        const now = of.filter((name) => isNumber(item.values[name]));
        if (now.length === 0) return 'through';
        const last = (name: string) => [...passed].reverse().find(({ values }) => isNumber(values[name]))?.values[name];
        const long = passed.length === 0 || item.time - passed.at(-1)!.time >= (step.seconds ?? Infinity) * 1000;
        return (
          long ||
          now.some(
            (name) =>
              last(name) === undefined ||
              Math.abs((item.values[name] as number) - (last(name) as number)) > step.deadband[name]!,
          )
        );
      });
    case 'sample': {
      const { sample } = step;
      if ('every' in sample) {
        let place = 0;
        return held(items, () => place++ % sample.every === 0);
      }
      return held(items, (item, passed) => {
        const last = passed.at(-1)?.time;
        return last === undefined || item.time < last || item.time - last >= sample.seconds * 1000;
      });
    }
    case 'window':
      return windowed(step, of, items);
    case 'validate':
    case 'batch':
      return items;
  }
}

function held(items: Item[], goes: (item: Item, passed: Item[]) => boolean | 'through'): Item[] {
  const passed: Item[] = [];
  return items.filter((item) => {
    if (item.tick || item.taken) return true;
    const answer = goes(item, passed);
    if (answer === true) passed.push(item);
    return answer !== false;
  });
}

type Window = Extract<StepDocument, { kind: 'window' }>;

function windowed(step: Window, of: string[], items: Item[]): Item[] {
  const has = (item: Item) => !item.tick && of.some((name) => isNumber(item.values[name]));
  const marked = items.map((item) => (has(item) ? { ...item, taken: true } : item));
  return 'last' in step.window ? counted(step, step.window.last, of, marked, has) : timed(step, of, marked, has);
}

function counted(step: Window, last: number, of: string[], items: Item[], has: (item: Item) => boolean): Item[] {
  return items.flatMap((item, place) => {
    const all = items.slice(0, place + 1).filter(has);
    if (!has(item) || all.length % last !== 0) return [item];
    const some = all.slice(-last);
    const times = some.map(({ time }) => time);
    const [from, time] = [Math.min(...times), Math.max(...times)];
    return [
      result(step, of, some, { at: item.at, from, time }, (count) =>
        time > from ? ((count - 1) * 1000) / (time - from) : undefined,
      ),
      item,
    ];
  });
}

/** Follows the rule as it is written: which windows are over after each item, and what was in time for each. */
function timed(step: Window, of: string[], items: Item[], has: (item: Item) => boolean): Item[] {
  const { window } = step;
  if ('last' in window) throw new Error('counts');
  const length = ('tumbling' in window ? window.tumbling : window.sliding) * 1000;
  const every = ('tumbling' in window ? window.tumbling : window.every) * 1000;
  const lateness = window.lateness * 1000;
  const startsOf = (time: number) => {
    const starts: number[] = [];
    for (let start = Math.floor(time / every) * every; start > time - length; start -= every) starts.push(start);
    return starts;
  };
  const windows = new Map<number, Item[]>();
  let over = -Infinity;
  let newest = -Infinity;
  const out: Item[] = [];
  const end = (upTo: number, at: number) => {
    for (const start of [...windows.keys()].sort((a, b) => a - b)) {
      if (start + length > upTo) continue;
      out.push(
        result(
          step,
          of,
          windows.get(start)!,
          { at, from: start, time: start + length },
          (count) => (count * 1000) / length,
        ),
      );
      windows.delete(start);
    }
    over = Math.max(over, upTo);
  };
  for (const item of items) {
    if (item.tick && windows.size > 0 && item.tick.at - item.tick.seenAt >= length + lateness)
      end(Math.max(...windows.keys()) + length, item.tick.at);
    if (has(item)) {
      newest = Math.max(newest, item.time);
      end(newest - lateness, item.at);
      for (const start of startsOf(item.time).filter((each) => each + length > over))
        windows.set(start, [...(windows.get(start) ?? []), item]);
    }
    out.push(item);
  }
  return out;
}

function result(
  step: Window,
  of: string[],
  some: Item[],
  place: { at: number; from: number; time: number },
  rate: (count: number) => number | undefined,
): Item {
  const values: Record<string, unknown> = {};
  for (const name of of) {
    const numbers = some.map((item) => item.values[name]).filter(isNumber);
    if (numbers.length === 0) continue;
    const told: Record<string, number | undefined> = {
      mean: mean(numbers),
      min: Math.min(...numbers),
      max: Math.max(...numbers),
      stddev: Math.sqrt(variance(numbers)),
      sum: sum(numbers),
      count: numbers.length,
      rate: rate(numbers.length),
      first: numbers[0],
      last: numbers.at(-1),
    };
    for (const statistic of step.emit)
      values[`${name}.${statistic}`] = statistic.startsWith('p')
        ? percentile(numbers, Number(statistic.slice(1)))
        : told[statistic];
  }
  return { ...place, values, taken: false, severity: -1, alerts: [] };
}
