import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { elsewhere } from '../../support/console/elsewhere.js';

const methods = ['get', 'post', 'put', 'patch', 'delete'];

type Operation = { operationId: string };
const { paths } = parse(readFileSync('openapi.yaml', 'utf8')) as { paths: Record<string, Record<string, Operation>> };
const operations = Object.entries(paths).flatMap(([path, of]) =>
  methods.filter((method) => of[method]).map((method) => ({ method, path, operationId: of[method]!.operationId })),
);

const source = readdirSync('console/src', { recursive: true, encoding: 'utf8' })
  .filter((path) => /\.tsx?$/.test(path))
  .map((path) => readFileSync(join('console/src', path), 'utf8'))
  .join('\n');

const called = new Set(
  [...source.matchAll(/\b(?:api|background)\s*\.(get|post|put|patch|delete)\(\s*'([^']+)'/g)].map(
    ([, method, path]) => `${method} ${path}`,
  ),
);
/** What browsers fetch by themselves: links, streams, and the headers of lists. */
const linked = new Set(
  [...source.matchAll(/(?:href=\{?|fetch\(|EventSource\(|\? )["'`](\/[^"'`?]*)/g)].map(([, path]) =>
    path!.replace(/\$\{[^}]*\}?/g, '{}').replace(/(\w)\{\}$/, '$1'),
  ),
);

const hasPlace = ({ method, path }: { method: string; path: string }): boolean =>
  called.has(`${method} ${path}`) || (method === 'get' && linked.has(path.replace(/\{\w+\}/g, '{}')));

it('every operation of the API has its place in the console, or a reason why it has none', () => {
  expect(operations.length).toBeGreaterThan(150);
  expect(called.size).toBeGreaterThan(80);
  const homeless = operations.filter((each) => !hasPlace(each) && !(each.operationId in elsewhere));
  expect(homeless.map(({ operationId }) => operationId)).toEqual([]);
});

it('no reason stands for an operation that has a place', () => {
  const placed = operations.filter((each) => each.operationId in elsewhere && hasPlace(each));
  expect(placed.map(({ operationId }) => operationId)).toEqual([]);
});
