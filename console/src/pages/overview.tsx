import { useQueries, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { background } from '../api.js';
import { inDays } from '../clock.js';
import { Firing } from '../pages-alerts/firing.js';
import { Charts, Health } from '../pages-watch/figures.js';
import { useMay } from '../parts/may.js';
import { PageHead } from '../parts/page.js';
import { ProblemNote } from '../parts/problem.js';
import { Section, Skeleton, Status, Table, Time } from '../parts/shown.js';
import { edgesQuery } from '../queries.js';

const one = { limit: 1, total: 'true' } as const;
const statuses = ['active', 'suspended', 'revoked'] as const;

type Counted = { items: unknown[]; total?: number; totalIsMinimum?: true };

const shown = ({ items, total, totalIsMinimum }: Counted): string =>
  `${(total ?? items.length).toLocaleString()}${totalIsMinimum ? '+' : ''}`;

/** What the API can say now: how many things, which certificates end, who waits, which edges follow. */
export function OverviewPage() {
  const may = useMay();
  return (
    <>
      <PageHead title="Overview" />
      {may('alerts:read') ? <Firing /> : null}
      {may('metrics:read') ? <Health /> : null}
      <div className="two spaced">
        <ThingCounts />
        <CertificatesEnding />
      </div>
      {may('metrics:read') ? <Charts /> : null}
      <WaitingCount />
      <Edges />
    </>
  );
}

function ThingCounts() {
  const counts = useQueries({
    queries: statuses.map((status) => ({
      queryKey: ['count', status],
      queryFn: () => background.get('/v1/things', { query: { ...one, status } }),
    })),
  });
  return (
    <Section title="Things">
      <ProblemNote error={counts.find(({ error }) => error)?.error} />
      <div className="figures">
        {statuses.map((status, at) => (
          <Link key={status} to="/things" search={{ status }} className="figure">
            <strong>{counts[at]?.data ? shown(counts[at].data) : '…'}</strong>
            <span>{status}</span>
          </Link>
        ))}
      </div>
    </Section>
  );
}

const spans = [7, 30, 90] as const;

function CertificatesEnding() {
  const counts = useQueries({
    queries: spans.map((days) => ({
      queryKey: ['ending', days],
      queryFn: () =>
        background.get('/v1/certificates', { query: { ...one, status: 'active', expiringBefore: inDays(days) } }),
    })),
  });
  return (
    <Section title="Active certificates that end">
      <ProblemNote error={counts.find(({ error }) => error)?.error} />
      <div className="figures">
        {spans.map((days, at) => (
          <Link key={days} to="/certificates" search={{ within: days }} className="figure">
            <strong>{counts[at]?.data ? shown(counts[at].data) : '…'}</strong>
            <span>within {days} days</span>
          </Link>
        ))}
      </div>
    </Section>
  );
}

function WaitingCount() {
  const { data, error } = useQuery({
    queryKey: ['waiting', 'count'],
    queryFn: () => background.get('/v1/waiting', { query: { limit: 100, status: 'waiting' } }),
  });
  const count = data ? `${data.items.length}${data.nextCursor === undefined ? '' : '+'}` : '…';
  return (
    <Section title="Devices that wait">
      <ProblemNote error={error} />
      <p>
        {data?.items.length === 0 ? (
          'No device waits for an approval.'
        ) : (
          <Link to="/waiting">{count} wait for an approval</Link>
        )}
      </p>
    </Section>
  );
}

function Edges() {
  const { data, error } = useQuery(edgesQuery);
  return (
    <Section title="Edges">
      <ProblemNote error={error} />
      {data === undefined && !error ? <Skeleton /> : null}
      {data?.items.length === 0 ? <p>No edge follows yet.</p> : null}
      {data && data.items.length > 0 ? (
        <Table label="Edges" head={['Name', 'State', 'Mode', 'Log applied up to', 'Confirmed']}>
          {data.items.map(({ id, name, stale, mode, position, confirmedAt }) => (
            <tr key={id}>
              <td>
                <Link to="/edges/$id" params={{ id }}>
                  {name}
                </Link>
              </td>
              <td>
                <Status of={stale ? 'stale' : 'active'} />
              </td>
              <td>{mode ?? '–'}</td>
              <td>{position ?? '–'}</td>
              <td>
                <Time at={confirmedAt} />
              </td>
            </tr>
          ))}
        </Table>
      ) : null}
    </Section>
  );
}
