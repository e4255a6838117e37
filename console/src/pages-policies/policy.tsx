import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link, Outlet, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { api } from '../api.js';
import { useAct } from '../parts/acting.js';
import { Confirm } from '../parts/confirm.js';
import { useMay } from '../parts/may.js';
import { PageHead } from '../parts/page.js';
import { ProblemNote } from '../parts/problem.js';
import { Section, Skeleton } from '../parts/shown.js';
import { DocumentView } from './document.js';
import { policyQuery } from './queries.js';

const route = getRouteApi('/signed-in/policies/$name');

/** One policy: its views stand beside each other. */
export function PolicyPage() {
  const { name } = route.useParams();
  const may = useMay();
  const tabs = [
    ['/policies/$name', 'Document'],
    ['/policies/$name/versions', 'Versions'],
    ['/policies/$name/simulate', 'Simulate'],
    ['/policies/$name/aws', 'In AWS'],
  ] as const;
  return (
    <>
      <PageHead title={name} back={['Policies', '/policies']}>
        {may('policies:write') ? (
          <Link to="/policies/$name/edit" params={{ name }} className="button primary">
            Edit
          </Link>
        ) : null}
      </PageHead>
      <nav className="tabs" aria-label="Views of the policy">
        {tabs.map(([to, title]) => (
          <Link key={to} to={to} params={{ name }} activeOptions={{ exact: true, includeSearch: false }}>
            {title}
          </Link>
        ))}
      </nav>
      <Outlet />
    </>
  );
}

/** What decides now, and who carries it. */
export function PolicyDocumentPage() {
  const { name } = route.useParams();
  const { data, error } = useQuery(policyQuery(name));
  const may = useMay();
  const [isAsking, setAsking] = useState(false);
  return (
    <>
      <ProblemNote error={error} />
      {data === undefined && !error ? <Skeleton lines={8} /> : null}
      {data === undefined ? null : (
        <Section title={`Version ${data.activeVersion}, which decides now`}>
          <DocumentView document={data.document} />
          <div className="acts">
            <Link to="/things" search={{ policy: name }}>
              Things that carry it
            </Link>
            {may('policies:write') ? (
              <button type="button" className="quiet danger" onClick={() => setAsking(true)}>
                Delete…
              </button>
            ) : null}
          </div>
        </Section>
      )}
      {isAsking ? <DeletePolicy name={name} onClose={() => setAsking(false)} /> : null}
    </>
  );
}

function DeletePolicy({ name, onClose }: { name: string; onClose(): void }) {
  const navigate = useNavigate();
  const deleting = useAct(
    () => api.delete('/v1/policies/{name}', { path: { name } }),
    () => navigate({ to: '/policies' }),
  );
  return (
    <Confirm
      title={`Delete ${name}`}
      about="All versions go. A policy that a thing or an enrollment carries is not deleted: the answer names them."
      act="Delete"
      word={name}
      acting={deleting}
      onClose={onClose}
    />
  );
}
