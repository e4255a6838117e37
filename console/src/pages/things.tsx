import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useState } from 'react';
import { api } from '../api.js';
import { PageHead } from '../parts/page.js';
import { ProblemNote } from '../parts/problem.js';
import { readThingSearch, thingOrders, thingStatuses, type ThingSearch } from '../parts/searches.js';
import { Field, Skeleton, Status, Table, Time } from '../parts/shown.js';

const route = getRouteApi('/signed-in/things');
/** All things, searched, filtered and sorted by the server, page by page. */
export function ThingsPage() {
  const search = route.useSearch();
  const { data, error, isFetching } = useQuery({
    queryKey: ['things', search],
    queryFn: ({ signal }) => api.get('/v1/things', { query: { limit: 50, ...search }, signal }),
    placeholderData: keepPreviousData,
  });
  const { cursor, ...first } = search;
  return (
    <>
      <PageHead title="Things" />
      <Filters key={JSON.stringify(first)} search={first} />
      <ProblemNote error={error} />
      {data === undefined && !error ? <Skeleton lines={8} /> : null}
      {data?.items.length === 0 ? (
        <p className="note">
          No thing matches. Clear the filters, or create an enrollment so that devices can come in.
        </p>
      ) : null}
      {data && data.items.length > 0 ? (
        <div aria-busy={isFetching}>
          <Table label="Things" head={['Name', 'Status', 'Type', 'Segment', 'Policies', 'Created', 'Last seen']}>
            {data.items.map(({ id, name, status, thingType, segment, policies, createdAt, lastSeenAt }) => (
              <tr key={id}>
                <td>
                  <Link to="/things/$name" params={{ name }}>
                    {name}
                  </Link>
                </td>
                <td>
                  <Status of={status} />
                </td>
                <td>{thingType ?? '–'}</td>
                <td>{segment ?? '–'}</td>
                <td>{policies.join(', ')}</td>
                <td>
                  <Time at={createdAt} />
                </td>
                <td>
                  <Time at={lastSeenAt} />
                </td>
              </tr>
            ))}
          </Table>
        </div>
      ) : null}
      <nav className="pages" aria-label="Pages">
        {cursor === undefined ? null : (
          <Link to="/things" search={first} className="button">
            First page
          </Link>
        )}
        {data?.nextCursor === undefined ? null : (
          <Link to="/things" search={{ ...first, cursor: data.nextCursor }} className="button">
            Next page
          </Link>
        )}
      </nav>
    </>
  );
}

function Filters({ search }: { search: ThingSearch }) {
  const navigate = route.useNavigate();
  const [edited, setEdited] = useState<Record<string, string | undefined>>(search);
  const apply = (change: Record<string, string | undefined>) =>
    void navigate({ search: readThingSearch({ ...edited, ...change }) });
  const word = (name: string, label: string) => (
    <Field label={label}>
      <input
        value={edited[name] ?? ''}
        onChange={({ target }) => setEdited({ ...edited, [name]: target.value.trim() })}
      />
    </Field>
  );
  return (
    <form
      className="filters"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        apply({});
      }}
    >
      {word('search', 'Name contains')}
      <Field label="Status">
        <select value={edited['status'] ?? ''} onChange={({ target }) => apply({ status: target.value })}>
          <option value="">any</option>
          {thingStatuses.map((status) => (
            <option key={status}>{status}</option>
          ))}
        </select>
      </Field>
      {word('thingType', 'Type')}
      {word('policy', 'Policy')}
      {word('segment', 'Segment')}
      <Field label="Order">
        <select value={edited['sort'] ?? 'name'} onChange={({ target }) => apply({ sort: target.value })}>
          {Object.entries(thingOrders).map(([order, title]) => (
            <option key={order} value={order}>
              {title}
            </option>
          ))}
        </select>
      </Field>
      <button type="submit" className="primary">
        Search
      </button>
      <Link to="/things" search={{}} className="button">
        Clear
      </Link>
    </form>
  );
}
