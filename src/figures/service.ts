import { randomUUID } from 'node:crypto';
import { addSeconds, rfc3339, type Clock } from '../clock.js';
import { DomainError } from '../errors.js';
import { createCounters, type Counted } from './counters.js';
import { figureOf, type FigureName } from '../metrics/names.js';
import { minuteOf, type FigureStore, type Point } from './store.js';

type Deps = { store: FigureStore; clock: Clock };

/** What is asked of a figure. */
export type Asked = { name: FigureName; from?: string | undefined; to?: string | undefined; step: number };

export type FigureService = ReturnType<typeof createFigureService>;

const mostPoints = 1440;
const mostSeries = 50;
const hour = 3600;

/** The figures of accounts: counted here, read by one instance, kept for a day. */
export function createFigureService({ store, clock }: Deps) {
  const counters = createCounters(clock);
  const duty = { name: 'figures', holder: randomUUID(), seconds: 90 };

  return {
    count: counters.count,

    /** Writes what was counted since the last time, as of the minute in which that began. What fails is counted again. */
    async flush(): Promise<void> {
      const { begun, counted } = counters.take();
      if (counted.length === 0) return;
      try {
        await store.add(minuteOf(begun), counted.filter(isStorable));
      } catch (error) {
        counters.giveBack(counted);
        throw error;
      }
    },

    /** Reads the gauges, if no other instance does. */
    async read(): Promise<void> {
      const at = clock();
      if (!(await store.takeDuty(duty, at))) return;
      await store.read(at);
      await store.noteDone(duty, at);
    },

    prune: (): Promise<void> => store.prune(clock()),

    /** A figure in steps. @throws DomainError `invalid-request` for a span that is empty or has too many steps */
    async show(account: string, { name, from, to, step }: Asked) {
      const end = to === undefined ? clock() : new Date(to);
      const begin = from === undefined ? addSeconds(end, -hour) : new Date(from);
      const first = Math.floor(begin.getTime() / (1000 * step)) * step;
      const steps = Math.ceil((end.getTime() / 1000 - first) / step);
      if (steps < 1) throw new DomainError('invalid-request', 'from: must be before to');
      if (steps > mostPoints)
        throw new DomainError(
          'invalid-request',
          `step: ${steps} steps are too many: ask for a shorter span or longer steps, at most ${mostPoints}`,
        );
      const points = await store.points(account, name, new Date(first * 1000), end, step);
      const { kind, unit, by } = figureOf(name);
      const grid = Array.from({ length: steps }, (_, n) => (first + n * step) * 1000);
      return {
        name,
        kind,
        unit,
        from: rfc3339(new Date(first * 1000)),
        to: rfc3339(end),
        step,
        points: wholeOf(name, points, grid),
        ...(by === undefined ? {} : { by, series: seriesOf(points) }),
      };
    },
  };
}

/** Text that a database cannot hold is not kept: NUL and lone surrogates. */
function isStorable({ label }: Counted): boolean {
  return !/[\0\p{Cs}]/u.test(label);
}

const shown = ({ at, value }: Pick<Point, 'at' | 'value'>) => ({ at: rfc3339(at), value });

function wholeOf(name: FigureName, points: Point[], grid: number[]) {
  const whole = points.filter(({ label }) => label === '');
  if (figureOf(name).absent === 'unknown') return whole.map(shown);
  const values = new Map(whole.map(({ at, value }) => [at.getTime(), value]));
  return grid.map((at) => shown({ at: new Date(at), value: values.get(at) ?? 0 }));
}

/** The largest parts. */
function seriesOf(points: Point[]) {
  const parts = new Map<string, Point[]>();
  for (const point of points) {
    if (point.label === '') continue;
    parts.set(point.label, [...(parts.get(point.label) ?? []), point]);
  }
  const all = [...parts].map(([label, own]) => ({ label, points: own.map(shown) }));
  const weight = (of: (typeof all)[number]): number => of.points.reduce((sum, { value }) => sum + value, 0);
  return all.sort((a, b) => weight(b) - weight(a)).slice(0, mostSeries);
}
