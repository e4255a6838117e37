import { useQuery } from '@tanstack/react-query';
import { background, type Schemas } from '../api.js';
import { ProblemNote } from '../parts/problem.js';
import { Section, Table } from '../parts/shown.js';

type Receipt = Schemas['RevocationReceipt'];

const after = (at: string | undefined, since: string): string =>
  at === undefined ? 'not yet' : `${Math.max(0, Date.parse(at) - Date.parse(since)).toLocaleString()} ms`;

/** The edges that say that they enforce an entry, one by one as they do. */
export function Receipts({ position }: { position: number }) {
  const { data, error } = useQuery({
    queryKey: ['receipt', position],
    queryFn: () => background.get('/v1/revocations/{position}', { path: { position: String(position) } }),
  });
  return (
    <Section title="Where it is enforced">
      <ProblemNote error={error} />
      <p role="status">{data === undefined ? 'The server has it. Edges report…' : summaryOf(data)}</p>
      {data && data.items.length + data.notEnforcedBy.length > 0 ? (
        <Table label="Receipts of edges" head={['Edge', 'Applied after', 'Enforced after', 'Sessions closed']}>
          {data.items.map(({ id, name, appliedAt, enforcedAt, sessionsClosed }) => (
            <tr key={id}>
              <td>{name}</td>
              <td>{after(appliedAt, data.at)}</td>
              <td>{after(enforcedAt, data.at)}</td>
              <td>{sessionsClosed ?? '–'}</td>
            </tr>
          ))}
          {data.notEnforcedBy
            .filter(({ id }) => !data.items.some((item) => item.id === id))
            .map(({ id, name, stale }) => (
              <tr key={id}>
                <td>{name}</td>
                <td>{stale ? 'stale: it refuses everything, or does not answer' : 'not yet'}</td>
                <td>not yet</td>
                <td>–</td>
              </tr>
            ))}
        </Table>
      ) : null}
    </Section>
  );
}

function summaryOf({ position, enforced, enforcedBy, notEnforcedBy }: Receipt): string {
  const edges = enforcedBy.length + notEnforcedBy.length;
  if (edges === 0) return `Entry ${position}: the server enforces it. No edge follows yet.`;
  if (enforced) return `Entry ${position}: all ${edges} edges enforce it.`;
  return `Entry ${position}: ${enforcedBy.length} of ${edges} edges enforce it.`;
}
