import {
  autocompletion,
  closeBrackets,
  closeBracketsKeymap,
  completionKeymap,
  type CompletionSource,
} from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands';
import { json, jsonParseLinter } from '@codemirror/lang-json';
import { bracketMatching, HighlightStyle, indentOnInput, syntaxHighlighting } from '@codemirror/language';
import { linter, lintGutter, lintKeymap, type Diagnostic } from '@codemirror/lint';
import { EditorState } from '@codemirror/state';
import { EditorView, highlightActiveLine, keymap, lineNumbers } from '@codemirror/view';
import { tags } from '@lezer/highlight';
import { getNonce } from 'get-nonce';
import { useEffect, useRef } from 'react';

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

/** What a server says about a document. */
type Said = { level: 'error' | 'warning'; message: string };

type Props<Finding extends Said> = {
  label: string;
  text: string;
  complete?: CompletionSource;
  /** What the server finds in a text that is JSON; undefined where it could not be asked. */
  find(text: string): Promise<Finding[] | undefined>;
  /** Where what a finding is about stands; undefined where that is nowhere. */
  spanOf(state: EditorState, finding: Finding): { from: number; to: number } | undefined;
  onChange(text: string): void;
  /** The findings, those of JSON that is broken too. */
  onFindings(findings: (Finding | Said)[] | undefined): void;
};

/** An editor of JSON. It completes what fits, and marks what the server finds as somebody types. */
export function JsonCode<Finding extends Said>(props: Props<Finding>) {
  const { label, text, complete } = props;
  const place = useRef<HTMLDivElement>(null);
  const first = useRef(text);
  const tell = useRef(props);
  tell.current = props;
  const fixed = useRef({ label, complete });
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
          autocompletion({ override: fixed.current.complete ? [fixed.current.complete] : [] }),
          json(),
          syntaxHighlighting(colours),
          linter((editor) => lintOf(editor, tell.current), { delay: 400 }),
          lintGutter(),
          look,
          EditorView.lineWrapping,
          EditorView.contentAttributes.of({ 'aria-label': fixed.current.label }),
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

async function lintOf<Finding extends Said>(editor: EditorView, props: Props<Finding>): Promise<Diagnostic[]> {
  const { find, spanOf, onFindings } = props;
  const broken = parse(editor);
  if (broken.length > 0) {
    onFindings(broken.map(({ message }) => ({ level: 'error', message })));
    return broken;
  }
  const findings = await find(editor.state.doc.toString());
  onFindings(findings);
  return (findings ?? []).map((finding) => {
    const span = spanOf(editor.state, finding);
    return { from: span?.from ?? 0, to: span?.to ?? 1, severity: finding.level, message: finding.message };
  });
}
