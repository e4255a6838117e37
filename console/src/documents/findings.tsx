import type { ReactNode } from 'react';

/** What is said against a document, and where in it, as it is shown. */
export type Said = { level: 'error' | 'warning'; message: string; place: ReactNode };

const mostShown = 20;

/** What was found in a document that is being written; undefined while it is looked at. */
export function Findings({ findings }: { findings: Said[] | undefined }) {
  if (findings === undefined) return <p role="status">Checking…</p>;
  if (findings.length === 0) return <p role="status">Nothing to say against it.</p>;
  const isBroken = findings.some(({ level }) => level === 'error');
  return (
    <div role="status" className={`note ${isBroken ? 'bad' : 'warn'}`}>
      <strong>{isBroken ? 'It would not be saved' : 'It would be saved, with these warnings'}</strong>
      <ul>
        {findings.slice(0, mostShown).map(({ place, message }, nth) => (
          <li key={nth}>
            {place}
            {message}
          </li>
        ))}
        {findings.length > mostShown ? <li>and {findings.length - mostShown} more</li> : null}
      </ul>
    </div>
  );
}
