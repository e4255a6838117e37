import type { Completion, CompletionContext, CompletionResult } from '@codemirror/autocomplete';
import { syntaxTree } from '@codemirror/language';
import type { EditorState } from '@codemirror/state';
import type { SyntaxNode } from '@lezer/common';
import { members, values, type Word } from './words.js';

/** What fits where the cursor is: members that the object lacks yet, or values of the member. */
export function completePolicy({ state, pos, explicit }: CompletionContext): CompletionResult | null {
  const node = syntaxTree(state).resolveInner(pos, -1);
  if (node.name === 'PropertyName') return completeMember(state, node, { from: node.from, to: node.to });
  if (node.name === 'String') return completeValue(state, node);
  if (node.name === 'Object' && explicit) return completeMember(state, node, { from: pos, to: pos });
  return null;
}

type Span = { from: number; to: number };

function completeMember(state: EditorState, node: SyntaxNode, { from, to }: Span): CompletionResult | null {
  const object = node.name === 'Object' ? node : node.parent?.parent;
  if (!object) return null;
  const known = members[pathOf(state, object).join('.')];
  if (!known) return null;
  const there = object.getChildren('Property').map((property) => nameOf(state, property));
  const isNew = node.parent?.lastChild === node || node.name === 'Object';
  const current = node.name === 'PropertyName' ? textOf(state, node) : undefined;
  const options = known
    .filter(({ label }) => label === current || !there.includes(label))
    .map(({ label, info, value = '' }): Completion => {
      const apply = isNew ? `"${label}": ${value}` : `"${label}"`;
      return { label: `"${label}"`, displayLabel: label, detail: info, type: 'property', apply };
    });
  return { from, to, options };
}

function completeValue(state: EditorState, node: SyntaxNode): CompletionResult | null {
  const known = values[pathOf(state, node).join('.')]?.();
  if (!known) return null;
  // Inside of the quotes: what is typed so far narrows the list.
  const to = node.to > node.from + 1 && state.sliceDoc(node.to - 1, node.to) === '"' ? node.to - 1 : node.to;
  return { from: node.from + 1, to, options: known.map(optionOf) };
}

const optionOf = ({ label, info }: Word): Completion => ({ label, detail: info, type: 'enum' });

/** The members that lead to a node, without places in lists. */
export function pathOf(state: EditorState, node: SyntaxNode): string[] {
  const path: string[] = [];
  for (let at: SyntaxNode | null = node; at; at = at.parent)
    if (at.name === 'Property' && at !== node) path.unshift(nameOf(state, at));
  return path;
}

const nameOf = (state: EditorState, property: SyntaxNode): string => {
  const name = property.getChild('PropertyName');
  return name ? textOf(state, name) : '';
};

const textOf = (state: EditorState, { from, to }: SyntaxNode): string =>
  state.sliceDoc(from, to).replace(/^"/, '').replace(/"$/, '');

/** Where the statement of an id stands; undefined where none has it. */
export function statementAt(state: EditorState, id: string): Span | undefined {
  const cursor = syntaxTree(state).cursor();
  do {
    if (cursor.name !== 'Property') continue;
    const { node } = cursor;
    const value = node.lastChild;
    if (nameOf(state, node) !== 'id' || value?.name !== 'String' || textOf(state, value) !== id) continue;
    if (pathOf(state, node).join('.') === 'statements') return { from: value.from, to: value.to };
  } while (cursor.next());
  return undefined;
}
