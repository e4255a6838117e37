import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkSync } from 'recheck';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

type Expression = { where: string; source: string; flags: string };

const sources = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts') && !/^(db|client)\/generated\//.test(path))
  .map((path) => join('src', path));

/** The regular expressions of a file, and where one is put together from text. */
function expressionsOf(path: string): { literals: Expression[]; built: string[] } {
  const file = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true);
  const literals: Expression[] = [];
  const built: string[] = [];
  const visit = (node: ts.Node): void => {
    const where = () => `${path}:${file.getLineAndCharacterOfPosition(node.getStart()).line + 1}`;
    if (ts.isRegularExpressionLiteral(node)) {
      const end = node.text.lastIndexOf('/');
      literals.push({ where: where(), source: node.text.slice(1, end), flags: node.text.slice(end + 1) });
    }
    if ((ts.isNewExpression(node) || ts.isCallExpression(node)) && node.expression.getText() === 'RegExp')
      built.push(where());
    ts.forEachChild(node, visit);
  };
  visit(file);
  return { literals, built };
}

/** The patterns of the API: what zod makes for dates, identifiers and the like runs on every request too. */
function patternsOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(patternsOf);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) =>
    name === 'pattern' && typeof inner === 'string' ? [inner] : patternsOf(inner),
  );
}

// One class between anchors has one way to match: not worth a checker's seconds.
const plain = /^\^(\[[^\]\\]+\]|\\d)(\{\d+(,\d+)?\}|\+)?\$$/;

/** Why an expression takes more than linear time, by recheck. */
function fault({ source, flags }: Omit<Expression, 'where'>): string | undefined {
  if (plain.test(source)) return undefined;
  const diagnostics = checkSync(source, flags, { timeout: 60_000, randomSeed: 1 });
  if (diagnostics.status === 'safe') return undefined;
  return `${diagnostics.status}: ${diagnostics.status === 'vulnerable' ? diagnostics.complexity.summary : ''}`;
}

describe('regular expressions', () => {
  const found = sources.map(expressionsOf);
  const literals = found.flatMap((file) => file.literals);
  const patterns = patternsOf(parse(readFileSync('openapi.yaml', 'utf8')));
  const all = new Map<string, Expression>();
  for (const each of [...literals, ...patterns.map((source) => ({ where: 'openapi.yaml', source, flags: 'u' }))])
    all.set(`/${each.source}/${each.flags}`, each);

  it('take linear time, every one in src and openapi.yaml', { timeout: 300_000 }, () => {
    const faults = [...all].flatMap(([text, each]) => {
      const why = fault(each);
      return why === undefined ? [] : [`${each.where} ${text} ${why}`];
    });
    expect(faults).toEqual([]);
    expect(literals.length).toBeGreaterThan(100);
    console.log(
      `expressions: files=${sources.length} literals=${literals.length} patterns=${patterns.length} distinct=${all.size}`,
    );
  });

  it('are never put together from text, which nobody can check', () => {
    expect(found.flatMap((file) => file.built)).toEqual([]);
  });

  it('are found out when they are not linear', () => {
    for (const source of [
      String.raw`^\s*-----BEGIN (NEW )?CERTIFICATE REQUEST-----\s+([A-Za-z0-9+/=\s]+?)\s*-----END \1?CERTIFICATE REQUEST-----\s*$`,
      String.raw`\$\{[^}]*\}`,
      String.raw`\/+$`,
      String.raw`\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+`,
    ])
      expect(fault({ source, flags: 'g' }), source).toMatch(/^vulnerable/);
  });
});
