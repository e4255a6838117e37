import { syntaxTree } from '@codemirror/language';
import type { EditorState } from '@codemirror/state';
import type { SyntaxNode } from '@lezer/common';

/** Where the value of a JSON Pointer stands in a text; of the nearest one around it where that is missing. */
export function placeOf(state: EditorState, pointer: string): { from: number; to: number } | undefined {
  let node = syntaxTree(state).topNode.firstChild;
  for (const part of pointer.split('/').slice(1)) {
    const inner = node === null ? null : stepInto(state, node, part.replaceAll('~1', '/').replaceAll('~0', '~'));
    if (inner === null) break;
    node = inner;
  }
  return node === null ? undefined : { from: node.from, to: node.to };
}

function stepInto(state: EditorState, node: SyntaxNode, part: string): SyntaxNode | null {
  if (node.name === 'Array') {
    const items = childrenOf(node).filter(({ name }) => /^[A-Z]/.test(name));
    return items[Number(part)] ?? null;
  }
  const property = node.getChildren('Property').find((each) => nameOf(state, each) === part);
  return property?.lastChild ?? null;
}

function nameOf(state: EditorState, property: SyntaxNode): string | undefined {
  const name = property.getChild('PropertyName');
  if (name === null) return undefined;
  try {
    return JSON.parse(state.sliceDoc(name.from, name.to)) as string;
  } catch {
    return undefined;
  }
}

function childrenOf(node: SyntaxNode): SyntaxNode[] {
  const children: SyntaxNode[] = [];
  for (let child = node.firstChild; child !== null; child = child.nextSibling) children.push(child);
  return children;
}
