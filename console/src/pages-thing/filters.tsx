import { getRouteApi, Link } from '@tanstack/react-router';
import { useState } from 'react';
import { readThingSearch, thingOrders, thingStatuses, type ThingSearch } from '../parts/searches.js';
import { Field } from '../parts/shown.js';

const route = getRouteApi('/signed-in/things');

/** What the list is asked for, as fields. */
export function ThingFilters({ search }: { search: ThingSearch }) {
  const navigate = route.useNavigate();
  const [edited, setEdited] = useState<Record<string, string | undefined>>(search);
  const apply = (change: Record<string, string | undefined>) =>
    void navigate({ search: readThingSearch(trimmed({ ...edited, ...change })) });
  const word = (name: string, label: string) => (
    <Field label={label}>
      <input value={edited[name] ?? ''} onChange={({ target }) => setEdited({ ...edited, [name]: target.value })} />
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
      {word('attribute', 'Attribute (site=berlin)')}
      {word('group', 'Group')}
      {word('query', 'Query')}
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

function trimmed(words: Record<string, string | undefined>): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(words).map(([name, word]) => [name, word?.trim()]));
}
