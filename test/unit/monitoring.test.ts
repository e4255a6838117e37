import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { describe, expect, it } from 'vitest';
import { openRooms } from '../support/openapi.js';

const text = (path: string) => readFileSync(path, 'utf8');

type Shape = { name: string; type: string; labels: string };

const row = /^\| `(thingward_[a-z_]+)` +\| (\w+) +\| ([a-z_, ]*?) *\|/gm;

function documented(): Shape[] {
  return [...text('docs/monitoring.md').matchAll(row)].map(([, name, type, labels]) => ({
    name: name!,
    type: type!,
    labels: labels!,
  }));
}

async function measured(): Promise<Shape[]> {
  const shapes = openRooms().metrics.map(async (metric) => {
    const { name, type } = await metric.get();
    const { labelNames = [] } = metric as unknown as { labelNames?: readonly string[] };
    return { name, type: String(type), labels: labelNames.filter((label) => label !== 'le').join(', ') };
  });
  return Promise.all(shapes);
}

const byName = (a: Shape, b: Shape) => (a.name < b.name ? -1 : 1);

/** The metrics that an expression names, without the endings that histograms add. */
function namesIn(expression: string): string[] {
  return (expression.match(/\bthingward_[a-z_]+/g) ?? []).map((name) => name.replace(/_(bucket|sum|count)$/, ''));
}

describe('what is measured', () => {
  it('docs/monitoring.md lists every metric with its type and labels, and no other', async () => {
    expect(documented().sort(byName)).toEqual((await measured()).sort(byName));
  });

  it('no label names an account, a thing, a key or an edge', async () => {
    const labels = new Set((await measured()).flatMap((shape) => shape.labels.split(', ')));
    for (const one of ['account', 'tenant', 'thing', 'actor', 'key', 'edge', 'proxy', 'issuer'])
      expect(labels).not.toContain(one);
  });

  it('alerts and the dashboard name metrics that exist', () => {
    const known = new Set(documented().map(({ name }) => name));
    const { groups } = parse(text('deploy/prometheus/alerts.yml')) as {
      groups: { rules: { alert: string; expr: string }[] }[];
    };
    const { panels } = JSON.parse(text('deploy/grafana/thingward.json')) as {
      panels: { targets: { expr: string }[] }[];
    };
    const alerts = groups.flatMap(({ rules }) => rules);
    const expressions = [
      ...alerts.map(({ expr }) => expr),
      ...panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
    ];
    expect(expressions.length).toBeGreaterThan(30);
    for (const expression of expressions)
      for (const name of namesIn(expression)) expect(known, expression).toContain(name);
    for (const { alert } of alerts) expect(text('docs/monitoring.md')).toContain(`- \`${alert}\`:`);
  });
});
