import type { ReactNode } from 'react';
import type { Schemas } from '../api.js';
import { jsonOf } from '../json/json.js';
import { Pairs } from '../parts/page.js';
import { inOrder } from './order.js';

type Document = Schemas['StoredPipelineDocument'];

/** A document: what it matches, its steps in their order, where it goes. What this page does not know stands in the JSON. */
export function DocumentView({ document: stored }: { document: Document }) {
  const document = inOrder(stored);
  const { match, decode, time, values, steps, now, to, forward } = document;
  const { types, topics } = isObject(match) ? match : {};
  const listed = Array.isArray(steps) ? steps : [];
  const rows: [string, ReactNode][] = [
    ['Messages of', listOf(types) ?? 'things of every type'],
    ['On topics', listOf(topics) ?? '–'],
    ['Read as', typeof decode === 'string' ? decode : 'json'],
    ['Time', typeof time === 'string' ? <code key="time">{time}</code> : 'when it came'],
    ['Values', pairsOf(values)],
    ['At once when', Array.isArray(now) ? <Codes key="now" values={now} /> : 'never before its time'],
    ['Sent to', listOf(to) ?? 'upstream'],
    ['The messages themselves', forward === true ? 'are forwarded too' : 'stay at the edge'],
  ];
  return (
    <div className="stack">
      <Pairs rows={rows} />
      <div>
        <h3>Steps, in this order</h3>
        {listed.length === 0 ? <p>None: values leave as they come.</p> : null}
        <ol className="pipeline-steps">
          {listed.map((step, at) => (
            <li key={at}>
              <code>{wordsOf(step)}</code>
            </li>
          ))}
        </ol>
      </div>
      <details>
        <summary>As JSON</summary>
        <pre className="json" tabIndex={0} role="region" aria-label="Document as JSON">
          {jsonOf(document)}
        </pre>
      </details>
    </div>
  );
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const listOf = (value: unknown): string | undefined =>
  Array.isArray(value) && value.length > 0 ? value.map(String).join(', ') : undefined;

function pairsOf(value: unknown): ReactNode {
  if (!isObject(value)) return '–';
  return <Codes values={Object.entries(value).map(([name, path]) => `${name} = ${String(path)}`)} />;
}

function Codes({ values }: { values: readonly unknown[] }) {
  return (
    <ul className="codes-list">
      {values.map((value, at) => (
        <li key={at}>
          <code>{typeof value === 'string' ? value : wordsOf(value)}</code>
        </li>
      ))}
    </ul>
  );
}

/** An object as its members, shorter than JSON; what is nested deeper stays JSON. */
function wordsOf(value: unknown): string {
  if (!isObject(value)) return JSON.stringify(value);
  return Object.entries(value)
    .map(([name, is]) => `${name}: ${isObject(is) ? `{ ${membersOf(is)} }` : wordOf(is)}`)
    .join(', ');
}

const membersOf = (value: Record<string, unknown>): string =>
  Object.entries(value)
    .map(([name, is]) => `${name}: ${wordOf(is)}`)
    .join(', ');

function wordOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (Array.isArray(value) && value.every((each) => typeof each === 'string')) return `[${value.join(', ')}]`;
  return JSON.stringify(value);
}
