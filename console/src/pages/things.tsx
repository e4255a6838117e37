import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useState } from 'react';
import { api, type Schemas } from '../api.js';
import { ExportCsv } from '../pages-thing/export.js';
import { Selected } from '../pages-thing/selected.js';
import { ThingFilters } from '../pages-thing/filters.js';
import { Views } from '../pages-thing/views.js';
import { Empty, PageHead } from '../parts/page.js';
import { ProblemNote } from '../parts/problem.js';
import { Skeleton, Status, Time } from '../parts/shown.js';

const route = getRouteApi('/signed-in/things');

type Thing = Schemas['Thing'];

/** As many as are worked through one by one; more are for a bulk revocation, or the command line. */
const mostChosen = 1000;

/** All things, searched, filtered and sorted by the server, page by page. Those that are chosen stay so over pages. */
export function ThingsPage() {
  const search = route.useSearch();
  const { data, error, isFetching } = useQuery({
    queryKey: ['things', search],
    queryFn: ({ signal }) => api.get('/v1/things', { query: { limit: 50, ...search }, signal }),
    placeholderData: keepPreviousData,
  });
  const [chosen, setChosen] = useState<ReadonlyMap<string, Thing>>(new Map());
  const { cursor, ...first } = search;
  const choose = (things: Thing[], isOn: boolean) => {
    const next = new Map(chosen);
    for (const thing of things)
      if (!isOn) next.delete(thing.name);
      else if (next.size < mostChosen) next.set(thing.name, thing);
    setChosen(next);
  };
  return (
    <>
      <PageHead title="Things">
        <ExportCsv search={search} />
      </PageHead>
      <ThingFilters key={JSON.stringify(first)} search={first} />
      <Views search={search} />
      <ProblemNote error={error} />
      {data === undefined && !error ? <Skeleton lines={8} /> : null}
      {data?.items.length === 0 ? (
        <Empty title="No thing matches">
          <p>Clear the filters, or enroll devices so that things come in.</p>
          <Link to="/enroll/new" className="button">
            Enroll devices
          </Link>
        </Empty>
      ) : null}
      {chosen.size > 0 ? <Selected things={[...chosen.values()]} onClear={() => setChosen(new Map())} /> : null}
      {data && data.items.length > 0 ? (
        <div className="card" aria-busy={isFetching}>
          <Rows things={data.items} chosen={chosen} onChoose={choose} />
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

type RowsProps = {
  things: Thing[];
  chosen: ReadonlyMap<string, Thing>;
  onChoose(things: Thing[], isOn: boolean): void;
};

const head = ['Name', 'Status', 'Type', 'Segment', 'Policies', 'Created', 'Last seen'];

function Rows({ things, chosen, onChoose }: RowsProps) {
  const isAll = things.every(({ name }) => chosen.has(name));
  return (
    <div className="scroll" role="region" aria-label="Things" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th scope="col">
              <input
                type="checkbox"
                aria-label="Choose all on this page"
                checked={isAll}
                onChange={() => onChoose(things, !isAll)}
              />
            </th>
            {head.map((title) => (
              <th key={title} scope="col">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {things.map((thing) => (
            <Row
              key={thing.id}
              thing={thing}
              isChosen={chosen.has(thing.name)}
              onChoose={(isOn) => onChoose([thing], isOn)}
            />
          ))}
        </tbody>
      </table>
    </div>
  );
}

type RowProps = { thing: Thing; isChosen: boolean; onChoose(isOn: boolean): void };

function Row({ thing, isChosen, onChoose }: RowProps) {
  const { name, status, thingType, segment, policies, createdAt, lastSeenAt } = thing;
  return (
    <tr>
      <td>
        <input
          type="checkbox"
          aria-label={`Choose ${name}`}
          checked={isChosen}
          onChange={({ target }) => onChoose(target.checked)}
        />
      </td>
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
  );
}
