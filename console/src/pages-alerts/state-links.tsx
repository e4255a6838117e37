import { Link } from '@tanstack/react-router';

const titleOf = (state: string | undefined): string =>
  state === undefined ? 'All' : `${state[0]!.toUpperCase()}${state.slice(1)}`;

/** Chooses which state a list shows. It stands in the address. */
export function StateLinks({ of }: { of: readonly (string | undefined)[] }) {
  return (
    <nav className="acts states" aria-label="State">
      {of.map((state) => (
        <Link
          key={state ?? ''}
          to="."
          search={state === undefined ? {} : { status: state }}
          className="button"
          activeOptions={{ exact: true, includeSearch: true }}
        >
          {titleOf(state)}
        </Link>
      ))}
    </nav>
  );
}
