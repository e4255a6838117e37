import { getRouteApi, Link } from '@tanstack/react-router';
import { background, type Schemas } from '../api.js';
import { Listed, usePages, type Pages } from '../parts/listed.js';
import { Empty, PageHead } from '../parts/page.js';
import { Status, Time } from '../parts/shown.js';

const route = getRouteApi('/signed-in/decisions');

/** A sample of what was allowed and denied recently. */
export function DecisionsPage() {
  const search = route.useSearch();
  const list = usePages(['decisions', search], (cursor) =>
    background.get('/v1/decisions', { query: { limit: 50, ...search, ...cursor } }),
  );
  const views = [
    ['All', {}],
    ['Denied', { decision: 'deny' }],
    ['Allowed', { decision: 'allow' }],
  ] as const;
  return (
    <>
      <PageHead title="Decisions" about="A sample of what the server and its edges decided recently, newest first." />
      <nav className="tabs" aria-label="Which decisions">
        {views.map(([title, view]) => (
          <Link
            key={title}
            to="/decisions"
            search={{ ...(search.thing === undefined ? {} : { thing: search.thing }), ...view }}
            activeOptions={{ exact: true }}
          >
            {title}
          </Link>
        ))}
      </nav>
      <DecisionList list={list} />
    </>
  );
}

/** Decisions, each one step from its reasons. */
export function DecisionList({ list }: { list: Pages<Schemas['SampledDecision']> }) {
  return (
    <Listed
      label="Decisions"
      head={['When', 'Thing', 'Action', 'Resource', 'Answer', 'Because', 'Look closer']}
      list={list}
      empty={
        <Empty title="No decision is in the sample">
          <p>Decisions show up here once a proxy, a broker or an edge asks about a thing.</p>
        </Empty>
      }
      row={({ id, at, thingName, action, resource, decision, reason, policy }) => (
        <tr key={id}>
          <td>
            <Time at={at} />
          </td>
          <td>
            <Link to="/things/$name" params={{ name: thingName }}>
              {thingName}
            </Link>
          </td>
          <td>{action}</td>
          <td className="wide">
            <code>{resource}</code>
          </td>
          <td>
            <Status of={decision} />
          </td>
          <td>{policy === undefined ? reason : `${policy}: ${reason}`}</td>
          <td>
            <Link to="/why" search={{ thing: thingName, action, resource: resource.slice(0, 2000), time: at }}>
              Why?
            </Link>
          </td>
        </tr>
      )}
    />
  );
}
