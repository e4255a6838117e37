import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { api, type Schemas } from '../api.js';
import { ProblemNote } from '../parts/problem.js';
import { Section, Skeleton, Status, Table, Time } from '../parts/shown.js';

// More than anybody reads here; Why? answers about one.
const mostShown = 100;

/** What its policies come to for this thing now, with its own values in place of variables. */
export function Rights({ name }: { name: string }) {
  const { data, error } = useQuery({
    queryKey: ['rights', name],
    queryFn: () => api.get('/v1/things/{name}/rights', { path: { name } }),
  });
  const rows = data === undefined ? [] : [...rowsOf('deny', data.deny), ...rowsOf('allow', data.allow)];
  return (
    <Section title="What it may do now">
      <ProblemNote error={error} />
      {data === undefined && !error ? <Skeleton /> : null}
      {data?.reasons === undefined ? null : (
        <p className="note bad">It is refused whatever it asks: {data.reasons.join(', ')}.</p>
      )}
      {rows.length === 0 || data?.reasons !== undefined ? null : (
        <Table label="What it may do now" head={['Answer', 'Action', 'Resource', 'If', 'Until']}>
          {rows.slice(0, mostShown).map(({ effect, right: { action, resource, until, condition } }, at) => (
            <tr key={at}>
              <td>
                <Status of={effect} />
              </td>
              <td>{action}</td>
              <td className="wide">
                <code>{resource}</code>
              </td>
              <td>{condition === undefined ? '–' : conditionOf(condition)}</td>
              <td>{until === undefined ? '–' : <Time at={until} />}</td>
            </tr>
          ))}
        </Table>
      )}
      {rows.length > mostShown ? <p>and {(rows.length - mostShown).toLocaleString()} more</p> : null}
      <p>
        <Link to="/why" search={{ thing: name }}>
          Ask why
        </Link>
      </p>
    </Section>
  );
}

const rowsOf = (effect: 'allow' | 'deny', rights: Schemas['Right'][]) => rights.map((right) => ({ effect, right }));

const conditionOf = (condition: Schemas['RightCondition']): string =>
  Object.entries(condition)
    .map(([name, value]) => `${name}: ${Array.isArray(value) ? value.join(', ') : String(value)}`)
    .join('; ');
