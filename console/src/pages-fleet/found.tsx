import { useQuery } from '@tanstack/react-query';
import { api } from '../api.js';
import { ProblemNote } from '../parts/problem.js';

const mostNamed = 5;

/** How many things a query finds now, and the first of them by name. */
export function Found({ query }: { query: string }) {
  const { data, error, isPending } = useQuery({
    queryKey: ['things', 'query', query],
    queryFn: ({ signal }) =>
      api.get('/v1/things', { query: { query: query.trim(), limit: mostNamed, total: 'true' }, signal }),
  });
  if (error) return <ProblemNote error={error} />;
  if (isPending) return <p role="status">Asking…</p>;
  const { total = 0, totalIsMinimum, items } = data;
  const names = items.map(({ name }) => name).join(', ');
  const more = total > items.length ? ' and others' : '';
  return (
    <p role="status">
      <strong>
        {totalIsMinimum ? 'More than ' : ''}
        {total.toLocaleString()} {total === 1 ? 'thing' : 'things'}
      </strong>
      {total === 0 ? '.' : `: ${names}${more}.`}
    </p>
  );
}
