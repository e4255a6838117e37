import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useState } from 'react';
import { api } from '../api.js';
import { ChangeView } from '../documents/change.js';
import { ActivateVersion, VersionCells } from '../documents/versions.js';
import { Listed, usePages } from '../parts/listed.js';
import { useMay } from '../parts/may.js';
import { ProblemNote } from '../parts/problem.js';
import { Section, Skeleton } from '../parts/shown.js';
import { ActivateDialog } from './activate.js';
import { diffDocuments } from './diff.js';
import { policyQuery, versionQuery } from './queries.js';

const route = getRouteApi('/signed-in/policies/$name/versions');

/** The versions of a policy, what changed between two of them, and which one decides. */
export function PolicyVersionsPage() {
  const { name } = route.useParams();
  const { from, to } = route.useSearch();
  const may = useMay();
  const policy = useQuery(policyQuery(name));
  const [chosen, setChosen] = useState<number>();
  const active = policy.data?.activeVersion;
  const list = usePages(['policies', 'versions', name], (cursor, signal) =>
    api.get('/v1/policies/{name}/versions', { path: { name }, query: { limit: 50, ...cursor }, signal }),
  );
  return (
    <>
      {from !== undefined && to !== undefined ? <Diff name={name} from={from} to={to} /> : null}
      <Listed
        label="Versions"
        head={['Version', 'Saved', 'By', 'State', 'Compare', 'Activate']}
        list={list}
        empty={null}
        row={({ version, createdAt, createdBy }) => (
          <tr key={version}>
            <VersionCells version={version} at={createdAt} by={createdBy} isActive={version === active} />
            <td>
              {active === undefined || version === active ? (
                '–'
              ) : (
                <Link to="/policies/$name/versions" params={{ name }} search={{ from: active, to: version }}>
                  with version {active}
                </Link>
              )}
            </td>
            <td>
              <ActivateVersion
                version={version}
                isOffered={version !== active && may('policies:write')}
                onChoose={setChosen}
              />
            </td>
          </tr>
        )}
      />
      {chosen === undefined || active === undefined ? null : (
        <ActivateDialog name={name} version={chosen} active={active} onClose={() => setChosen(undefined)} />
      )}
    </>
  );
}

function Diff({ name, from, to }: { name: string; from: number; to: number }) {
  const before = useQuery(versionQuery(name, from));
  const after = useQuery(versionQuery(name, to));
  const error = before.error ?? after.error;
  const changes = before.data && after.data ? diffDocuments(before.data.document, after.data.document) : undefined;
  const differing = changes?.filter(({ kind }) => kind !== 'same');
  return (
    <Section title={`From version ${from} to version ${to}`}>
      <ProblemNote error={error} />
      {differing === undefined && !error ? <Skeleton /> : null}
      {differing?.length === 0 ? <p>They say the same.</p> : null}
      {differing?.map((change) => (
        <ChangeView key={change.id} change={change} />
      ))}
      {changes && differing && changes.length > differing.length ? (
        <p className="faint">{changes.length - differing.length} statements are the same.</p>
      ) : null}
    </Section>
  );
}
