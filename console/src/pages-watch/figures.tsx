import { useQueries } from '@tanstack/react-query';
import { lazy, Suspense, useMemo } from 'react';
import { background, type Schemas } from '../api.js';
import { now, spanOf } from '../clock.js';
import { ProblemNote } from '../parts/problem.js';
import { Section, Skeleton, Table, Time } from '../parts/shown.js';

const Chart = lazy(() => import('./chart.js').then((loaded) => ({ default: loaded.Chart })));

type Name = Schemas['MetricName'];

const hours = 24;
const step = 600;

const metricQuery = (name: Name) => ({
  queryKey: ['metrics', name],
  queryFn: () =>
    background.get('/v1/metrics', {
      query: { name, step, from: new Date(now().getTime() - hours * 3_600_000).toISOString() },
    }),
});

type Drawn = { name: Name; title: string; colour: string };

const charts: { title: string; unit: 'each ten minutes' | 'each second'; lines: Drawn[] }[] = [
  {
    title: 'Came and went',
    unit: 'each ten minutes',
    lines: [
      { name: 'things.provisioned', title: 'things provisioned', colour: '--good' },
      { name: 'certificates.revoked', title: 'certificates revoked', colour: '--bad' },
    ],
  },
  {
    title: 'Decisions',
    unit: 'each second',
    lines: [
      { name: 'decisions.allow', title: 'allowed', colour: '--good' },
      { name: 'decisions.deny', title: 'denied', colour: '--bad' },
    ],
  },
];

/** What happened in the last day, drawn. */
export function Charts() {
  return (
    <div className="two">
      {charts.map((chart) => (
        <OverTime key={chart.title} {...chart} />
      ))}
    </div>
  );
}

function OverTime({ title, unit, lines }: (typeof charts)[number]) {
  const read = useQueries({ queries: lines.map(({ name }) => metricQuery(name)) });
  const error = read.find((each) => each.error)?.error;
  const all = read.map(({ data }) => data);
  const stamp = read.map(({ dataUpdatedAt }) => dataUpdatedAt).join();
  const drawn = useMemo(() => {
    if (all.some((data) => data === undefined)) return undefined;
    const times = all[0]!.points.map(({ at }) => Date.parse(at) / 1000);
    const perSecond = unit === 'each second' ? step : 1;
    return {
      times,
      lines: lines.map(({ title: name, colour }, n) => ({
        title: name,
        colour,
        values: times.map((_, at) => (all[n]!.points[at]?.value ?? 0) / perSecond),
      })),
    };
    // The figures themselves are new objects at each answer; when they came tells whether they changed.
  }, [stamp, lines, unit]);
  const sums = all.map((data) => data?.points.reduce((sum, { value }) => sum + value, 0) ?? 0);
  const label = lines.map(({ title: name }, n) => `${sums[n]!.toLocaleString()} ${name}`).join(', ');
  return (
    <Section title={`${title}, ${unit}`}>
      <ProblemNote error={error} />
      {drawn === undefined && !error ? <Skeleton lines={5} /> : null}
      {drawn === undefined ? null : (
        <>
          <Suspense fallback={<Skeleton lines={5} />}>
            <Chart times={drawn.times} lines={drawn.lines} label={`In the last ${hours} hours: ${label}`} />
          </Suspense>
          <p className="faint">{label} in 24 hours</p>
          <AsTable title={title} times={drawn.times} lines={drawn.lines} />
        </>
      )}
    </Section>
  );
}

type TableProps = { title: string; times: number[]; lines: { title: string; values: number[] }[] };

function AsTable({ title, times, lines }: TableProps) {
  const busy = times.map((time, at) => ({ time, at })).filter(({ at }) => lines.some(({ values }) => values[at]! > 0));
  return (
    <details>
      <summary>As a table</summary>
      {busy.length === 0 ? (
        <p>Nothing happened.</p>
      ) : (
        <Table label={title} head={['When', ...lines.map((line) => line.title)]}>
          {busy.map(({ time, at }) => (
            <tr key={time}>
              <td>
                <Time at={new Date(time * 1000).toISOString()} />
              </td>
              {lines.map((line) => (
                <td key={line.title}>{line.values[at]!.toLocaleString(undefined, { maximumFractionDigits: 3 })}</td>
              ))}
            </tr>
          ))}
        </Table>
      )}
    </details>
  );
}

const health: { name: Name; title: string; spell(value: number): string }[] = [
  { name: 'alerts.open', title: 'open alerts', spell: (value) => value.toLocaleString() },
  { name: 'edges.stale', title: 'stale edges', spell: (value) => value.toLocaleString() },
  { name: 'lists.age', title: 'age of the oldest list', spell: spanOf },
  { name: 'lists.ends', title: 'until the first list ends', spell: spanOf },
  { name: 'aws.drift', title: 'different in AWS', spell: (value) => value.toLocaleString() },
];

/** What should be small, or far away. */
export function Health() {
  const read = useQueries({ queries: health.map(({ name }) => metricQuery(name)) });
  return (
    <Section title="Health">
      <ProblemNote error={read.find((each) => each.error)?.error} />
      <div className="figures">
        {health.map(({ name, title, spell }, n) => {
          const last = read[n]?.data?.points.at(-1);
          return (
            <div key={name} className="figure">
              <strong>{last === undefined ? '–' : spell(last.value)}</strong>
              <span>{title}</span>
            </div>
          );
        })}
      </div>
    </Section>
  );
}
