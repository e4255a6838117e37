import { Link, type ErrorComponentProps } from '@tanstack/react-router';
import { wordsOf } from '../api.js';

/** A failure with its next step. Nothing where there is none. */
export function ProblemNote({ error }: { error: unknown }) {
  if (error === null || error === undefined) return null;
  const { title, detail } = wordsOf(error);
  return (
    <div className="note bad" role="alert">
      <strong>{title}</strong>
      <p>{detail}</p>
    </div>
  );
}

/** A page that could not be shown. */
export function PageFailure({ error, reset }: ErrorComponentProps) {
  return (
    <main className="alone">
      <h1>This page cannot be shown</h1>
      <ProblemNote error={error} />
      <button type="button" onClick={reset}>
        Try again
      </button>
    </main>
  );
}

/** A path that leads nowhere. */
export function NotFound() {
  return (
    <main className="alone">
      <h1>There is no such page</h1>
      <p>
        Start from the <Link to="/">overview</Link>.
      </p>
    </main>
  );
}
