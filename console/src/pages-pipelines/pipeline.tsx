import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link, Outlet, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { api, type Schemas } from '../api.js';
import { useAct } from '../parts/acting.js';
import { Confirm } from '../parts/confirm.js';
import { useMay } from '../parts/may.js';
import { PageHead } from '../parts/page.js';
import { ProblemNote } from '../parts/problem.js';
import { Section, Skeleton } from '../parts/shown.js';
import { ActivateDialog, DisableDialog } from './activate.js';
import { DocumentView } from './document.js';
import { pipelineQuery } from './queries.js';

const route = getRouteApi('/signed-in/pipelines/$name');

/** One pipeline: its views stand beside each other. */
export function PipelinePage() {
  const { name } = route.useParams();
  const may = useMay();
  const tabs = [
    ['/pipelines/$name', 'Document'],
    ['/pipelines/$name/versions', 'Versions'],
    ['/pipelines/$name/simulate', 'Simulate'],
  ] as const;
  return (
    <>
      <PageHead title={name} back={['Pipelines', '/pipelines']}>
        {may('pipelines:write') ? (
          <Link to="/pipelines/$name/edit" params={{ name }} className="button primary">
            Edit
          </Link>
        ) : null}
      </PageHead>
      <nav className="tabs" aria-label="Views of the pipeline">
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

type Asked = 'activate' | 'disable' | 'delete';

/** What runs now, or what would, and the acts on it. */
export function PipelineDocumentPage() {
  const { name } = route.useParams();
  const { data, error } = useQuery(pipelineQuery(name));
  return (
    <>
      <ProblemNote error={error} />
      {data === undefined && !error ? <Skeleton lines={8} /> : null}
      {data === undefined ? null : <Running key={name} pipeline={data} />}
    </>
  );
}

function Running({ pipeline }: { pipeline: Schemas['Pipeline'] }) {
  const { name, activeVersion: active, builtIn, document, versions } = pipeline;
  const may = useMay();
  const [asked, setAsked] = useState<Asked>();
  const close = () => setAsked(undefined);
  const newest = versions[0]?.version ?? 1;
  return (
    <Section
      title={active === undefined ? `No version runs. This is version ${newest}` : `Version ${active}, which runs`}
    >
      {builtIn ? (
        <p className="faint">
          It is built in. Saving another version makes it your own; deleting that brings this one back.
        </p>
      ) : null}
      <DocumentView document={document} />
      {may('pipelines:write') ? (
        <div className="acts">
          {active === undefined ? (
            <button type="button" className="primary" onClick={() => setAsked('activate')}>
              Activate version {newest}…
            </button>
          ) : (
            <button type="button" onClick={() => setAsked('disable')}>
              Disable…
            </button>
          )}
          {builtIn ? null : (
            <button type="button" className="quiet danger" onClick={() => setAsked('delete')}>
              Delete…
            </button>
          )}
        </div>
      ) : null}
      {asked === 'activate' ? <ActivateDialog name={name} version={newest} active={active} onClose={close} /> : null}
      {asked === 'disable' && active !== undefined ? (
        <DisableDialog name={name} active={active} onClose={close} />
      ) : null}
      {asked === 'delete' ? <DeletePipeline name={name} onClose={close} /> : null}
    </Section>
  );
}

function DeletePipeline({ name, onClose }: { name: string; onClose(): void }) {
  const navigate = useNavigate();
  const deleting = useAct(
    () => api.delete('/v1/pipelines/{name}', { path: { name } }),
    () => navigate({ to: '/pipelines' }),
  );
  return (
    <Confirm
      title={`Delete ${name}`}
      about="All versions go, and edges stop at once: messages go to the broker as they come. A built-in pipeline of this name comes back, disabled."
      act="Delete"
      word={name}
      acting={deleting}
      onClose={onClose}
    />
  );
}
