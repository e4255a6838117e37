import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands';
import { json, jsonParseLinter } from '@codemirror/lang-json';
import { bracketMatching, HighlightStyle, indentOnInput, syntaxHighlighting } from '@codemirror/language';
import { linter, lintGutter, lintKeymap, type Diagnostic } from '@codemirror/lint';
import { EditorState } from '@codemirror/state';
import { EditorView, highlightActiveLine, keymap, lineNumbers } from '@codemirror/view';
import { tags } from '@lezer/highlight';
import { getNonce } from 'get-nonce';
import { useEffect, useRef } from 'react';
import { completePolicy, statementAt } from './completion.js';
import { findingsIn, type Finding } from './lint.js';

const look = EditorView.theme({
  '&': { backgroundColor: 'var(--card)', color: 'var(--ink)', fontSize: '0.9rem' },
  '&.cm-focused': { outline: '3px solid var(--accent)', outlineOffset: '1px' },
  '.cm-content': { fontFamily: 'var(--mono)', caretColor: 'var(--ink)', minHeight: '22rem' },
  '.cm-cursor': { borderLeftColor: 'var(--ink)' },
  '.cm-gutters': { backgroundColor: 'var(--sunk)', color: 'var(--faint)', border: 'none' },
  '.cm-activeLine': { backgroundColor: 'var(--line-glow)' },
  '&.cm-focused .cm-selectionBackground, .cm-selectionBackground, ::selection': {
    backgroundColor: 'var(--accent-paper) !important',
  },
  '.cm-tooltip': { backgroundColor: 'var(--card)', color: 'var(--ink)', border: '1px solid var(--line)' },
  '.cm-tooltip-autocomplete > ul > li[aria-selected]': {
    backgroundColor: 'var(--accent)',
    color: 'var(--accent-ink)',
  },
  '.cm-completionDetail': { color: 'inherit', opacity: '1', fontStyle: 'normal', marginLeft: '1rem' },
});

const colours = HighlightStyle.define([
  { tag: tags.propertyName, color: 'var(--accent)' },
  { tag: tags.string, color: 'var(--good)' },
  { tag: [tags.number, tags.bool, tags.null], color: 'var(--warn)' },
]);

type Props = { text: string; onChange(text: string): void; onFindings(findings: Finding[] | undefined): void };

/** An editor of policies. It completes what the schema knows, and marks what the server finds as somebody types. */
export function PolicyCode({ text, onChange, onFindings }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const first = useRef(text);
  const tell = useRef({ onChange, onFindings });
  tell.current = { onChange, onFindings };
  useEffect(() => {
    const view = new EditorView({
      parent: place.current!,
      state: EditorState.create({
        doc: first.current,
        extensions: [
          EditorView.cspNonce.of(getNonce() ?? ''),
          lineNumbers(),
          history(),
          indentOnInput(),
          bracketMatching(),
          closeBrackets(),
          highlightActiveLine(),
          autocompletion({ override: [completePolicy] }),
          json(),
          syntaxHighlighting(colours),
          linter((editor) => lintOf(editor, tell.current.onFindings), { delay: 400 }),
          lintGutter(),
          look,
          EditorView.lineWrapping,
          EditorView.contentAttributes.of({ 'aria-label': 'Policy document' }),
          EditorView.updateListener.of(({ docChanged, state }) => {
            if (docChanged) tell.current.onChange(state.doc.toString());
          }),
          keymap.of([
            ...closeBracketsKeymap,
            ...defaultKeymap,
            ...historyKeymap,
            ...completionKeymap,
            ...lintKeymap,
            indentWithTab,
          ]),
        ],
      }),
    });
    return () => view.destroy();
  }, []);
  return <div className="editor" ref={place} />;
}

const parse = jsonParseLinter();

async function lintOf(editor: EditorView, tell: Props['onFindings']): Promise<Diagnostic[]> {
  const broken = parse(editor);
  if (broken.length > 0) {
    tell(broken.map(({ message }) => ({ level: 'error', message })));
    return broken;
  }
  const findings = await findingsIn(editor.state.doc.toString());
  tell(findings);
  return (findings ?? []).map(({ level, statement, message }) => {
    const span = statement === undefined ? undefined : statementAt(editor.state, statement);
    return { from: span?.from ?? 0, to: span?.to ?? 1, severity: level, message };
  });
}
