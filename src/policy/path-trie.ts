import type { Level } from './resource.js';
import { fill, type Principal, type Template } from './variables.js';

/** A set of patterns over levels, each leading to entries. */
export type Trie<Entry> = {
  /** Where a level must be this text. */
  literals: Map<string, Trie<Entry>> | undefined;
  /** The same while they are few: comparing them is quicker than cutting the level out to look it up. */
  few: { text: string; next: Trie<Entry> }[] | undefined;
  /** Where a level must be what these stand for. */
  templates: { template: Template; next: Trie<Entry> }[] | undefined;
  /** Where a level may be anything: `+`. */
  any: Trie<Entry> | undefined;
  /** What is reached when the path ends here. */
  ends: Entry[] | undefined;
  /** What is reached whatever follows, nothing too: `#`. */
  rest: Entry[] | undefined;
};

/** Called with every list of entries that a path reaches. */
export type Visit<Entry> = (entries: Entry[]) => void;

export function createTrie<Entry>(): Trie<Entry> {
  return {
    literals: undefined,
    few: undefined,
    templates: undefined,
    any: undefined,
    ends: undefined,
    rest: undefined,
  };
}

/** Adds an entry under a pattern. */
export function insert<Entry>(trie: Trie<Entry>, levels: readonly Level[], entry: Entry): void {
  let node = trie;
  for (const level of levels) {
    if (level === '#') return void (node.rest ??= []).push(entry);
    node = descend(node, level);
  }
  (node.ends ??= []).push(entry);
}

function descend<Entry>(node: Trie<Entry>, level: Level, exact = false): Trie<Entry> {
  if (level === '+' && !exact) return (node.any ??= createTrie());
  if (typeof level === 'string') {
    return descendLiteral(node, level);
  }
  const templates = (node.templates ??= []);
  const present = templates.find(({ template }) => template.text === level.text);
  if (present) return present.next;
  const next = createTrie<Entry>();
  templates.push({ template: level, next });
  return next;
}

const fewest = 4;

function descendLiteral<Entry>(node: Trie<Entry>, text: string): Trie<Entry> {
  const literals = (node.literals ??= new Map<string, Trie<Entry>>());
  const present = literals.get(text);
  if (present) return present;
  const next = createTrie<Entry>();
  literals.set(text, next);
  node.few = literals.size > fewest ? undefined : [...literals].map(([known, trie]) => ({ text: known, next: trie }));
  return next;
}

/** The node behind a literal level. */
export function literalAt<Entry>(
  { literals, few }: Trie<Entry>,
  path: string,
  start: number,
  end: number,
): Trie<Entry> | undefined {
  if (!few) return literals?.get(path.slice(start, end));
  for (const { text, next } of few) if (isLevel(path, start, end, text)) return next;
  return undefined;
}

/** Adds an entry under a whole text, for names that have no levels and no wildcards. */
export function insertWhole<Entry>(trie: Trie<Entry>, level: Level, entry: Entry): void {
  const node = descend(trie, level, true);
  (node.ends ??= []).push(entry);
}

/** Visits the entries of a whole text, which begins at `start`. */
export function matchWhole<Entry>(
  trie: Trie<Entry>,
  path: string,
  start: number,
  principal: Principal,
  visit: Visit<Entry>,
): void {
  const literal = literalAt(trie, path, start, path.length)?.ends;
  if (literal) visit(literal);
  if (!trie.templates) return;
  for (const { template, next } of trie.templates) {
    if (next.ends && isLevel(path, start, path.length, fill(template, principal))) visit(next.ends);
  }
}

/** Visits the entries whose patterns match a path without wildcards, from `start` on. */
export function match<Entry>(
  node: Trie<Entry>,
  path: string,
  start: number,
  principal: Principal,
  visit: Visit<Entry>,
): void {
  if (node.rest) visit(node.rest);
  if (start > path.length) {
    if (node.ends) visit(node.ends);
    return;
  }
  const end = endOfLevel(path, start);
  const literal = literalAt(node, path, start, end);
  if (literal) match(literal, path, end + 1, principal, visit);
  if (node.any) match(node.any, path, end + 1, principal, visit);
  if (!node.templates) return;
  for (const { template, next } of node.templates) {
    if (isLevel(path, start, end, fill(template, principal))) match(next, path, end + 1, principal, visit);
  }
}

/** Visits the entries whose patterns contain the whole of a filter, from `start` on. */
export function contain<Entry>(
  node: Trie<Entry>,
  filter: string,
  start: number,
  principal: Principal,
  visit: Visit<Entry>,
): void {
  if (node.rest) visit(node.rest);
  if (start > filter.length) {
    if (node.ends) visit(node.ends);
    return;
  }
  const end = endOfLevel(filter, start);
  const code = wildcardAt(filter, start, end);
  if (code === hash) return;
  if (node.any) contain(node.any, filter, end + 1, principal, visit);
  if (code === plus) return;
  const literal = literalAt(node, filter, start, end);
  if (literal) contain(literal, filter, end + 1, principal, visit);
  for (const { template, next } of node.templates ?? []) {
    if (isLevel(filter, start, end, fill(template, principal))) contain(next, filter, end + 1, principal, visit);
  }
}

/** Visits the entries whose patterns share a path with a filter, from `start` on. */
export function overlap<Entry>(
  node: Trie<Entry>,
  filter: string,
  start: number,
  principal: Principal,
  visit: Visit<Entry>,
): void {
  if (node.rest) visit(node.rest);
  if (start > filter.length) {
    if (node.ends) visit(node.ends);
    return;
  }
  const end = endOfLevel(filter, start);
  const code = wildcardAt(filter, start, end);
  if (code === hash) return everything(node, visit);
  if (node.any) overlap(node.any, filter, end + 1, principal, visit);
  if (code === plus) return overlapAny(node, filter, start, end, principal, visit);
  const literal = literalAt(node, filter, start, end);
  if (literal) overlap(literal, filter, end + 1, principal, visit);
  for (const { template, next } of node.templates ?? []) {
    if (isLevel(filter, start, end, fill(template, principal))) overlap(next, filter, end + 1, principal, visit);
  }
}

// A wildcard of a subscription does not reach a first level that starts with $ (MQTT 5.0 §4.7.2).
// It ends a topic's prefix, so the first level follows a colon.
function overlapAny<Entry>(
  node: Trie<Entry>,
  filter: string,
  start: number,
  end: number,
  principal: Principal,
  visit: Visit<Entry>,
): void {
  for (const [text, next] of node.literals ?? []) {
    if (!text.startsWith('$') || filter.charCodeAt(start - 1) === slash)
      overlap(next, filter, end + 1, principal, visit);
  }
  for (const { next } of node.templates ?? []) overlap(next, filter, end + 1, principal, visit);
}

function everything<Entry>(node: Trie<Entry>, visit: Visit<Entry>): void {
  if (node.ends) visit(node.ends);
  for (const next of node.literals?.values() ?? []) everythingBelow(next, visit);
  for (const { next } of node.templates ?? []) everythingBelow(next, visit);
  if (node.any) everythingBelow(node.any, visit);
}

function everythingBelow<Entry>(node: Trie<Entry>, visit: Visit<Entry>): void {
  if (node.rest) visit(node.rest);
  everything(node, visit);
}

const slash = 0x2f;
const plus = 0x2b;
const hash = 0x23;

/** The code of the wildcard that fills a level, or 0. */
function wildcardAt(filter: string, start: number, end: number): number {
  if (end !== start + 1) return 0;
  const code = filter.charCodeAt(start);
  return code === plus || code === hash ? code : 0;
}

// These two run for every level of every decision: loops, because the built-in calls cost more than short texts.
function endOfLevel(path: string, start: number): number {
  const { length } = path;
  let end = start;
  while (end < length && path.charCodeAt(end) !== slash) end++;
  return end;
}

/** True when the text from `start` to `end` is this one. */
export function isLevel(path: string, start: number, end: number, text: string | undefined): boolean {
  if (text === undefined || text.length !== end - start) return false;
  for (let index = 0; index < text.length; index++) {
    if (path.charCodeAt(start + index) !== text.charCodeAt(index)) return false;
  }
  return true;
}
