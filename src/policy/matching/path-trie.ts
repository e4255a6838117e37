import { endOfLevel, isLevel, isRest, type Levels } from './levels.js';
import type { Level } from '../resource.js';
import { fill, type Principal, type Template } from '../variables.js';

/** A set of patterns over levels, each leading to entries. */
export type Trie<Entry> = {
  /** Where a level must be this text, while such are few: comparing them is quicker than cutting the level out to look it up. */
  few: { text: string; next: Trie<Entry> }[] | undefined;
  /** The same once they are many; then `few` is empty. */
  literals: Map<string, Trie<Entry>> | undefined;
  /** Where a level must be what these stand for. */
  templates: Templated<Entry>[] | undefined;
  /** These by their text, once they are many, so that a thousand are added in a thousand steps. */
  templatesByText: Map<string, Templated<Entry>> | undefined;
  /** Where a level may be anything: `+`. */
  any: Trie<Entry> | undefined;
  /** What is reached when the path ends here. */
  ends: Entry[] | undefined;
  /** What is reached whatever follows, nothing too: `#`. */
  rest: Entry[] | undefined;
};

type Templated<Entry> = { template: Template; next: Trie<Entry> };

/** Called with every list of entries that a path reaches. */
type Visit<Entry> = (entries: Entry[]) => void;

/** An empty trie of patterns. */
export function createTrie<Entry>(): Trie<Entry> {
  return {
    few: undefined,
    literals: undefined,
    templates: undefined,
    templatesByText: undefined,
    any: undefined,
    ends: undefined,
    rest: undefined,
  };
}

/** Adds an entry under a pattern. */
export function insert<Entry>(trie: Trie<Entry>, levels: readonly Level[], entry: Entry): void {
  let node = trie;
  for (const level of levels) {
    if (level === '#') return void addOnce((node.rest ??= []), entry);
    node = descend(node, level);
  }
  addOnce((node.ends ??= []), entry);
}

/** Statements are added one after another: one that names a pattern twice stands there once. */
function addOnce<Entry>(entries: Entry[], entry: Entry): void {
  if (entries.at(-1) !== entry) entries.push(entry);
}

function descend<Entry>(node: Trie<Entry>, level: Level, exact = false): Trie<Entry> {
  if (level === '+' && !exact) return (node.any ??= createTrie());
  if (typeof level === 'string') {
    return descendLiteral(node, level);
  }
  return descendTemplate(node, level);
}

const fewest = 4;

function descendTemplate<Entry>(node: Trie<Entry>, template: Template): Trie<Entry> {
  const templates = (node.templates ??= []);
  const present = node.templatesByText
    ? node.templatesByText.get(template.text)
    : templates.find((known) => known.template.text === template.text);
  if (present) return present.next;
  const added = { template, next: createTrie<Entry>() };
  templates.push(added);
  if (node.templatesByText) node.templatesByText.set(template.text, added);
  else if (templates.length > fewest)
    node.templatesByText = new Map(templates.map((known) => [known.template.text, known]));
  return added.next;
}

function descendLiteral<Entry>(node: Trie<Entry>, text: string): Trie<Entry> {
  const present = node.literals?.get(text) ?? node.few?.find((known) => known.text === text)?.next;
  if (present) return present;
  const next = createTrie<Entry>();
  if (node.literals) {
    node.literals.set(text, next);
    return next;
  }
  (node.few ??= []).push({ text, next });
  if (node.few.length > fewest) {
    node.literals = new Map(node.few.map((known) => [known.text, known.next]));
    node.few = undefined;
  }
  return next;
}

/** The node behind a literal level that begins at `start`. */
export function literalAt<Entry>(
  { literals, few }: Trie<Entry>,
  levels: Levels,
  level: number,
  start: number,
): Trie<Entry> | undefined {
  if (few) {
    for (let index = 0; index < few.length; index++) {
      const { text, next } = few[index]!;
      if (isLevel(levels, level, start, text)) return next;
    }
    return undefined;
  }
  return literals?.get(levels.text.slice(start, endOfLevel(levels, level, start)));
}

/** Adds an entry under a whole text, for names that have no levels and no wildcards. */
export function insertWhole<Entry>(trie: Trie<Entry>, level: Level, entry: Entry): void {
  const node = descend(trie, level, true);
  addOnce((node.ends ??= []), entry);
}

/** Visits the entries of a whole text. */
export function matchWhole<Entry>(
  { few, literals, templates }: Trie<Entry>,
  { text, start }: Levels,
  principal: Principal,
  visit: Visit<Entry>,
): void {
  const literal = literals
    ? literals.get(text.slice(start))
    : few?.find((known) => isRest(text, start, known.text))?.next;
  if (literal?.ends) visit(literal.ends);
  if (!templates) return;
  for (const { template, next } of templates) {
    if (next.ends && isRest(text, start, fill(template, principal))) visit(next.ends);
  }
}

/**
 * Goes from the node of one level on to the next. `start` is where the level begins, beyond the end of the text
 * when there is none.
 */
type Walk = <Entry>(
  node: Trie<Entry>,
  levels: Levels,
  level: number,
  start: number,
  principal: Principal,
  visit: Visit<Entry>,
) => void;

/** Visits what is reached at a node, and tells whether the path ends there. */
function isDone<Entry>(node: Trie<Entry>, levels: Levels, start: number, visit: Visit<Entry>): boolean {
  if (node.rest) visit(node.rest);
  if (start <= levels.text.length) return false;
  if (node.ends) visit(node.ends);
  return true;
}

/** Visits the entries whose patterns match levels without wildcards, from `level` on. */
export const match: Walk = (node, levels, level, start, principal, visit) => {
  if (isDone(node, levels, start, visit)) return;
  if (node.any) match(node.any, levels, level + 1, endOfLevel(levels, level, start) + 1, principal, visit);
  descendByText(match, node, levels, level, start, principal, visit);
};

/** Visits the entries whose patterns contain the whole of a filter, from `level` on. */
export const contain: Walk = (node, levels, level, start, principal, visit) => {
  if (isDone(node, levels, start, visit)) return;
  const end = endOfLevel(levels, level, start);
  const wildcard = wildcardAt(levels, start, end);
  if (wildcard === hash) return;
  if (node.any) contain(node.any, levels, level + 1, end + 1, principal, visit);
  if (wildcard !== plus) descendByText(contain, node, levels, level, start, principal, visit);
};

/** Visits the entries whose patterns share a path with a filter, from `level` on. */
export const overlap: Walk = (node, levels, level, start, principal, visit) => {
  if (isDone(node, levels, start, visit)) return;
  const end = endOfLevel(levels, level, start);
  const wildcard = wildcardAt(levels, start, end);
  if (wildcard === hash) return everything(node, visit);
  if (node.any) overlap(node.any, levels, level + 1, end + 1, principal, visit);
  if (wildcard === plus) overlapAny(node, levels, level, end + 1, principal, visit);
  else descendByText(overlap, node, levels, level, start, principal, visit);
};

/** Walks on where the text of a level is the one that a literal or a template asks for. */
function descendByText<Entry>(
  walk: Walk,
  node: Trie<Entry>,
  levels: Levels,
  level: number,
  start: number,
  principal: Principal,
  visit: Visit<Entry>,
): void {
  const literal = literalAt(node, levels, level, start);
  if (literal) walk(literal, levels, level + 1, levels.ends[level]! + 1, principal, visit);
  const { templates } = node;
  if (!templates) return;
  // An index, because an iterator costs as much as a comparison here.
  for (let index = 0; index < templates.length; index++) {
    const { template, next } = templates[index]!;
    if (isLevel(levels, level, start, fill(template, principal)))
      walk(next, levels, level + 1, levels.ends[level]! + 1, principal, visit);
  }
}

// A wildcard of a subscription does not reach a first level that starts with $ (MQTT 5.0 §4.7.2).
function overlapAny<Entry>(
  node: Trie<Entry>,
  levels: Levels,
  level: number,
  after: number,
  principal: Principal,
  visit: Visit<Entry>,
): void {
  for (const [text, next] of literalsOf(node)) {
    if (level > 0 || !text.startsWith('$')) overlap(next, levels, level + 1, after, principal, visit);
  }
  for (const { next } of node.templates ?? []) overlap(next, levels, level + 1, after, principal, visit);
}

function literalsOf<Entry>({ few, literals }: Trie<Entry>): Iterable<[string, Trie<Entry>]> {
  return literals ?? few?.map(({ text, next }): [string, Trie<Entry>] => [text, next]) ?? [];
}

function everything<Entry>(node: Trie<Entry>, visit: Visit<Entry>): void {
  if (node.ends) visit(node.ends);
  for (const [, next] of literalsOf(node)) everythingBelow(next, visit);
  for (const { next } of node.templates ?? []) everythingBelow(next, visit);
  if (node.any) everythingBelow(node.any, visit);
}

function everythingBelow<Entry>(node: Trie<Entry>, visit: Visit<Entry>): void {
  if (node.rest) visit(node.rest);
  everything(node, visit);
}

const plus = 0x2b;
const hash = 0x23;

/** The code of the wildcard that fills a level, or 0. */
function wildcardAt({ text }: Levels, start: number, end: number): number {
  if (end !== start + 1) return 0;
  const code = text.charCodeAt(start);
  return code === plus || code === hash ? code : 0;
}
