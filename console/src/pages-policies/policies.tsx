import { getRouteApi, Link } from '@tanstack/react-router';
import { api } from '../api.js';
import { NameSearch } from '../documents/search.js';
import { Listed, usePages } from '../parts/listed.js';
import { useMay } from '../parts/may.js';
import { Empty, PageHead } from '../parts/page.js';

const route = getRouteApi('/signed-in/policies');

/** All policies, with the version of each that decides. */
export function PoliciesPage() {
  const { namePrefix } = route.useSearch();
  const navigate = route.useNavigate();
  const may = useMay();
  const list = usePages(['policies', namePrefix], (cursor, signal) =>
    api.get('/v1/policies', { query: { limit: 50, ...cursor, ...(namePrefix ? { namePrefix } : {}) }, signal }),
  );
  const create = may('policies:write') ? (
    <Link to="/policies/new" className="button primary">
      New policy
    </Link>
  ) : null;
  return (
    <>
      <PageHead title="Policies" about="What things may do. Without a statement that allows it, nothing is allowed.">
        {create}
      </PageHead>
      <NameSearch
        begun={namePrefix}
        search={(namePrefix) => void navigate({ search: namePrefix ? { namePrefix } : {} })}
      />
      <Listed
        label="Policies"
        head={['Name', 'Active version', 'Try']}
        list={list}
        empty={
          <Empty title={namePrefix ? 'No policy begins so' : 'There is no policy yet'}>
            <p>A policy has statements: which actions, on which resources, under which conditions.</p>
          </Empty>
        }
        row={({ name, activeVersion }) => (
          <tr key={name}>
            <td>
              <Link to="/policies/$name" params={{ name }}>
                {name}
              </Link>
            </td>
            <td>{activeVersion}</td>
            <td>
              <Link to="/policies/$name/simulate" params={{ name }} aria-label={`Simulate ${name}`}>
                Simulate
              </Link>
            </td>
          </tr>
        )}
      />
    </>
  );
}
