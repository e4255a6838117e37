import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { background } from '../api.js';
import { useMay } from '../parts/may.js';
import { ProblemNote } from '../parts/problem.js';
import { Section, Skeleton, Status, Table, Time } from '../parts/shown.js';
import { Acknowledge, RuleCell, useAcknowledge } from './acknowledge.js';
import { valueOf } from './words.js';

const most = 10;

/** What fires now, on the page that everybody sees first. */
export function Firing() {
  const may = useMay();
  const acknowledging = useAcknowledge();
  const { data, error } = useQuery({
    queryKey: ['alerts', 'firing now'],
    queryFn: () => background.get('/v1/alerts', { query: { status: 'firing', limit: most } }),
  });
  return (
    <Section title="Alerts that fire">
      <ProblemNote error={error ?? acknowledging.error} />
      {data === undefined && !error ? <Skeleton lines={2} /> : null}
      {data?.items.length === 0 ? <p>Nothing fires.</p> : null}
      {data && data.items.length > 0 ? (
        <Table label="Alerts that fire" head={['Rule', 'Severity', 'Found', 'Since', 'Act']}>
          {data.items.map((alert) => (
            <tr key={alert.id}>
              <RuleCell alert={alert} />
              <td>
                <Status of={alert.severity} />
              </td>
              <td>{valueOf(alert.metric, alert.value)}</td>
              <td>
                <Time at={alert.startedAt} />
              </td>
              <td className="act">
                {may('alerts:write') ? <Acknowledge alert={alert} acknowledging={acknowledging} /> : null}
              </td>
            </tr>
          ))}
        </Table>
      ) : null}
      <p>
        <Link to="/alerts">
          {data?.nextCursor === undefined ? 'All alerts' : `More than ${most} fire: see them all`}
        </Link>
      </p>
    </Section>
  );
}
