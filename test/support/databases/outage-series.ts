import { stringify } from 'yaml';

/** What `/metrics` of an instance said at a moment; an empty text where it said nothing. */
export type Scrape = { seconds: number; instance: string; text: string };

// What alerts are made of.
const watched =
  /^(thingward_(?:ready|lease_held|lists_refused|figures_age_seconds|database_waiting|edges|chore_failures_total|problems_total|http_requests_total))(?:\{([^}]*)\})? ([\d.e+-]+)$/;
const changesAlerts = /5\d\d|too-many-requests|invalid-credential|not-ready|sweep|mirror-into-aws|read-figures/;

/** The figures that alerts are made of, as promtool reads series: recorded values, those that repeat counted. */
export function seriesOf(scrapes: Scrape[]): { series: string; values: string }[] {
  const times = [...new Set(scrapes.map(({ seconds }) => seconds))].sort((a, b) => a - b);
  const byName = new Map<string, Map<number, string>>();
  const put = (name: string, at: number, value: string): void => {
    const known = byName.get(name) ?? new Map<number, string>();
    byName.set(name, known.set(at, value));
  };
  for (const { seconds, instance, text } of scrapes) {
    const own = `instance="${instance}",job="thingward"`;
    put(`up{${own}}`, seconds, text === '' ? '0' : '1');
    for (const line of text.split('\n')) {
      const [, name, labels = '', value] = watched.exec(line) ?? [];
      if (name === undefined || (/_total$/.test(name) && !changesAlerts.test(labels))) continue;
      put(`${name}{${own}${labels === '' ? '' : `,${labels}`}}`, seconds, String(Number(value)));
    }
  }
  return [...byName].map(([series, values]) => ({
    series,
    values: counted(times.map((at) => values.get(at) ?? '_')),
  }));
}

/** Promtool's form of values: `1x3` is 1 four times. */
function counted(values: string[]): string {
  const runs: { value: string; times: number }[] = [];
  for (const value of values) {
    const last = runs.at(-1);
    if (last?.value === value) last.times++;
    else runs.push({ value, times: 1 });
  }
  // A gap says how many steps it has, a value how often it is repeated.
  const text = ({ value, times }: { value: string; times: number }): string =>
    times === 1 ? value : `${value}x${value === '_' ? times : times - 1}`;
  return runs.map(text).join(' ');
}

/** A file for promtool: the recorded figures, without expectations. */
export function promtoolFile(scrapes: Scrape[], stepSeconds: number, tests: object): string {
  const input_series = seriesOf(scrapes);
  const file = {
    rule_files: ['alerts.yml'],
    evaluation_interval: `${stepSeconds}s`,
    tests: [{ name: 'ten minutes without a database', interval: `${stepSeconds}s`, input_series, ...tests }],
  };
  return stringify(file, { lineWidth: 0 });
}
