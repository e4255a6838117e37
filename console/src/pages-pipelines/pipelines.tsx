import { getRouteApi, Link } from '@tanstack/react-router';
import { api } from '../api.js';
import { NameSearch } from '../documents/search.js';
import { Listed, usePages } from '../parts/listed.js';
import { useMay } from '../parts/may.js';
import { Empty, PageHead } from '../parts/page.js';
import { Status } from '../parts/shown.js';

const route = getRouteApi('/signed-in/pipelines');

/** All pipelines, those that are built in among them, with the version of each that runs. */
export function PipelinesPage() {
  const { namePrefix } = route.useSearch();
  const navigate = route.useNavigate();
  const may = useMay();
  const list = usePages(['pipelines', 'all', namePrefix], (cursor, signal) =>
    api.get('/v1/pipelines', { query: { limit: 50, ...cursor, ...(namePrefix ? { namePrefix } : {}) }, signal }),
  );
  return (
    <>
      <PageHead
        title="Pipelines"
        about="What edges make of the messages of devices, before anything travels. Each runs where an active version matches."
      >
        {may('pipelines:write') ? (
          <Link to="/pipelines/new" className="button primary">
            New pipeline
          </Link>
        ) : null}
      </PageHead>
      <NameSearch
        begun={namePrefix}
        search={(namePrefix) => void navigate({ search: namePrefix ? { namePrefix } : {} })}
      />
      <Listed
        label="Pipelines"
        head={['Name', 'State', 'Active version', 'Origin', 'Try']}
        list={list}
        empty={
          <Empty title={namePrefix ? 'No pipeline begins so' : 'There is no pipeline yet'}>
            <p>A pipeline takes values out of messages, makes means, alerts and batches of them, and sends those on.</p>
          </Empty>
        }
        row={({ name, activeVersion, builtIn }) => (
          <tr key={name}>
            <td>
              <Link to="/pipelines/$name" params={{ name }}>
                {name}
              </Link>
            </td>
            <td>
              <Status of={activeVersion === undefined ? 'off' : 'active'} />
            </td>
            <td>{activeVersion ?? '–'}</td>
            <td>{builtIn ? 'built in' : 'your own'}</td>
            <td>
              <Link to="/pipelines/$name/simulate" params={{ name }} aria-label={`Simulate ${name}`}>
                Simulate
              </Link>
            </td>
          </tr>
        )}
      />
    </>
  );
}
