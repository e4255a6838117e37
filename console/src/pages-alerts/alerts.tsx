import { getRouteApi, Link, Outlet } from '@tanstack/react-router';
import { background } from '../api.js';
import { Listed, usePages } from '../parts/listed.js';
import { useMay } from '../parts/may.js';
import { Empty, PageHead } from '../parts/page.js';
import { ProblemNote } from '../parts/problem.js';
import { Status, Time } from '../parts/shown.js';
import { Acknowledge, RuleCell, useAcknowledge } from './acknowledge.js';
import { StateLinks } from './state-links.js';
import { valueOf } from './words.js';

const tabs = [
  ['/alerts', 'Alerts'],
  ['/alerts/rules', 'Rules'],
  ['/alerts/channels', 'Channels'],
] as const;

/** What is wrong now, what makes it so, and who hears of it: three views of one thing. */
export function AlertsPage() {
  return (
    <>
      <PageHead
        title="Alerts"
        about="A rule watches a figure. While the figure is as it should not be, an alert fires and its channels hear of it."
      />
      <nav className="tabs" aria-label="Views of alerts">
        {tabs.map(([to, title]) => (
          <Link key={to} to={to} activeOptions={{ exact: true, includeSearch: false }}>
            {title}
          </Link>
        ))}
      </nav>
      <Outlet />
    </>
  );
}

const route = getRouteApi('/signed-in/alerts/');

const views = [undefined, 'firing', 'acknowledged', 'resolved'] as const;

/** What fires, what somebody sees to, and what is over. */
export function AlertListPage() {
  const search = route.useSearch();
  const may = useMay();
  const acknowledging = useAcknowledge();
  const list = usePages(['alerts', search], (cursor, signal) =>
    background.get('/v1/alerts', { query: { limit: 50, ...search, ...cursor }, signal }),
  );
  return (
    <>
      <StateLinks of={views} />
      <ProblemNote error={acknowledging.error} />
      <Listed
        label="Alerts"
        head={['Rule', 'State', 'Severity', 'Found', 'Since', 'Seen to by', 'Act']}
        list={list}
        empty={<NoAlert status={search.status} />}
        row={(alert) => (
          <tr key={alert.id}>
            <RuleCell alert={alert} />
            <td>
              <Status of={alert.status} />
            </td>
            <td>
              <Status of={alert.severity} />
            </td>
            <td>{valueOf(alert.metric, alert.value)}</td>
            <td>
              <Time at={alert.startedAt} />
              {alert.resolvedAt === undefined ? null : (
                <>
                  <br />
                  <small>
                    until <Time at={alert.resolvedAt} />
                  </small>
                </>
              )}
            </td>
            <td>
              {alert.acknowledgedBy === undefined ? (
                '–'
              ) : (
                <>
                  {alert.acknowledgedBy}
                  <br />
                  <small>
                    <Time at={alert.acknowledgedAt} />
                  </small>
                </>
              )}
            </td>
            <td className="act">
              {alert.status === 'firing' && may('alerts:write') ? (
                <Acknowledge alert={alert} acknowledging={acknowledging} />
              ) : null}
            </td>
          </tr>
        )}
      />
    </>
  );
}

function NoAlert({ status }: { status: string | undefined }) {
  if (status === undefined)
    return (
      <Empty title="No alert has fired yet">
        <p>
          Every account has rules for what every fleet needs. <Link to="/alerts/rules">Look at them</Link>, and give
          them a <Link to="/alerts/channels">channel</Link>: a rule without one shows its alerts here alone.
        </p>
      </Empty>
    );
  return <Empty title={`No alert is ${status}`} />;
}
