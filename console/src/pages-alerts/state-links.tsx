import { Link } from '@tanstack/react-router';

const titleOf = (state: string | undefined): string =>
  state === undefined ? 'All' : `${state[0]!.toUpperCase()}${state.slice(1)}`;

/** Chooses which state a list shows. It stands in the address. */
export function StateLinks({ of, now }: { of: readonly (string | undefined)[]; now: string | undefined }) {
  return (
    <nav className="acts states" aria-label="State">
      {of.map((state) => (
        <Link
          key={state ?? ''}
          to="."
          search={state === undefined ? {} : { status: state }}
          className="button"
          activeProps={{ 'aria-current': undefined, className: '' }}
          aria-current={state === now ? 'true' : undefined}
        >
          {titleOf(state)}
        </Link>
      ))}
    </nav>
  );
}
