import { getRouteApi, Link } from '@tanstack/react-router';
import { useState } from 'react';
import { api, type Schemas } from '../api.js';
import { Listed, usePages } from '../parts/listed.js';
import { Empty, PageHead } from '../parts/page.js';
import { Field, Time } from '../parts/shown.js';
import type { AuditSearch } from '../parts/searches.js';

const route = getRouteApi('/signed-in/audit');

/** Who did what, to what, from where: searched in the address, exported line by line. */
export function AuditPage() {
  const search = route.useSearch();
  const list = usePages(['audit', search], (cursor, signal) =>
    api.get('/v1/audit', { query: { limit: 50, ...search, ...cursor }, signal }),
  );
  const asked = new URLSearchParams(search).toString();
  return (
    <>
      <PageHead title="Audit" about="Every change and every refused sign-in, newest first. Nobody can change it here.">
        <a className="button" href={`/v1/audit/export${asked === '' ? '' : `?${asked}`}`} download="audit.ndjson">
          Export
        </a>
      </PageHead>
      <Filters key={asked} search={search} />
      <Listed
        label="Audit"
        head={['When', 'Who', 'What', 'To what', 'From', 'Detail']}
        list={list}
        empty={
          <Empty title="Nothing matches">
            <p>Clear a filter, or look at another time.</p>
          </Empty>
        }
        row={(entry) => <AuditRow key={entry.id} entry={entry} />}
      />
    </>
  );
}

/** An entry of the audit. Each of its words leads to the others that have it. */
export function AuditRow({ entry: { at, actor, action, target, sourceIp, detail } }: { entry: Schemas['AuditEntry'] }) {
  return (
    <tr>
      <td>
        <Time at={at} />
      </td>
      <td>
        <Link to="/audit" search={{ actor }}>
          {actor}
        </Link>
      </td>
      <td>
        <Link to="/audit" search={{ action }}>
          {action}
        </Link>
      </td>
      <td>
        <Link to="/audit" search={{ target }}>
          {target}
        </Link>
      </td>
      <td>{sourceIp ?? '–'}</td>
      <td>
        {Object.keys(detail).length === 0 ? (
          '–'
        ) : (
          <details>
            <summary>Show</summary>
            <pre className="detail">{JSON.stringify(detail, undefined, 2)}</pre>
          </details>
        )}
      </td>
    </tr>
  );
}

function Filters({ search }: { search: AuditSearch }) {
  const navigate = route.useNavigate();
  const [edited, setEdited] = useState<AuditSearch>(search);
  const word = (name: 'actor' | 'action' | 'target', label: string, placeholder: string) => (
    <Field label={label}>
      <input
        value={edited[name] ?? ''}
        placeholder={placeholder}
        onChange={({ target }) => setEdited({ ...edited, [name]: target.value.trim() })}
        spellCheck={false}
      />
    </Field>
  );
  const time = (name: 'from' | 'to', label: string) => (
    <Field label={label}>
      <input
        type="datetime-local"
        defaultValue={localOf(search[name])}
        onChange={({ target }) =>
          setEdited({ ...edited, [name]: target.value === '' ? '' : new Date(target.value).toISOString() })
        }
      />
    </Field>
  );
  return (
    <form
      className="filters"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        const given = Object.entries(edited).filter(([, value]) => value !== undefined && value !== '');
        void navigate({ search: Object.fromEntries(given) });
      }}
    >
      {word('actor', 'Who', 'person:…')}
      {word('action', 'What', 'thing.revoke')}
      {word('target', 'To what', 'thing:pump-17')}
      {time('from', 'From')}
      {time('to', 'Until')}
      <button type="submit" className="primary">
        Search
      </button>
      <Link to="/audit" search={{}} className="button">
        Clear
      </Link>
    </form>
  );
}

function localOf(at: string | undefined): string {
  if (at === undefined || Number.isNaN(Date.parse(at))) return '';
  const time = new Date(at);
  return new Date(time.getTime() - time.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
