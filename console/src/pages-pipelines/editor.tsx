import { useQuery } from '@tanstack/react-query';
import { getRouteApi, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { api, type Schemas } from '../api.js';
import { Findings, type Said } from '../documents/findings.js';
import { useAct } from '../parts/acting.js';
import { JsonCode } from '../json/json-code.js';
import { placeOf } from '../json/json-place.js';
import { isJson, jsonIn, jsonOf } from '../json/json.js';
import { PageHead } from '../parts/page.js';
import { ProblemNote } from '../parts/problem.js';
import { Skeleton } from '../parts/shown.js';
import { findingsIn, type Finding } from './lint.js';
import { inOrder } from './order.js';
import { pipelineQuery } from './queries.js';
import { Trial } from './trial.js';

const route = getRouteApi('/signed-in/pipelines/$name/edit');

type Document = Schemas['PipelineDocument'];

const first: Document = {
  name: 'my-pipeline',
  match: { types: ['pump'], topics: ['${account}/+/telemetry/#'] },
  values: { pressure: '$.p' },
  steps: [
    { window: { last: 60 }, emit: ['mean', 'max'] },
    { threshold: 'pressure', max: 8, severity: 'critical' },
  ],
  now: [{ severity: 'critical' }],
};

/** A pipeline that is not there yet. */
export function NewPipelinePage() {
  const navigate = useNavigate();
  const saving = useAct(
    (document: Document) => api.post('/v1/pipelines', { body: document }),
    ({ name }) => navigate({ to: '/pipelines/$name', params: { name } }),
  );
  return (
    <>
      <PageHead
        title="New pipeline"
        back={['Pipelines', '/pipelines']}
        about="Its first version runs at every edge as soon as it is created. Try it below first. Escape, then Tab, leaves the editor."
      />
      <Writing text={`${jsonOf(first)}\n`} act="Create and run" saving={saving} />
    </>
  );
}

/** A further version of a pipeline. It runs nowhere until it is activated. */
export function EditPipelinePage() {
  const { name } = route.useParams();
  const navigate = useNavigate();
  const pipeline = useQuery({ ...pipelineQuery(name), staleTime: Infinity });
  const shown = pipeline.data?.activeVersion ?? pipeline.data?.versions[0]?.version;
  const saving = useAct(
    (document: Document) => api.post('/v1/pipelines/{name}/versions', { path: { name }, body: document }),
    ({ version }) =>
      navigate({
        to: '/pipelines/$name/versions',
        params: { name },
        search: shown === undefined || shown === version ? {} : { from: shown, to: version },
      }),
  );
  return (
    <>
      <p className="note">
        Saving makes another version, which runs nowhere until you activate it. Escape, then Tab, leaves the editor.
      </p>
      <ProblemNote error={pipeline.error} />
      {pipeline.isPending ? <Skeleton lines={10} /> : null}
      {pipeline.data ? (
        <Writing text={`${jsonOf(inOrder(pipeline.data.document))}\n`} act="Save as a new version" saving={saving} />
      ) : null}
    </>
  );
}

type Saving = { mutate(document: Document): void; isPending: boolean; error: unknown };
type Found = Pick<Finding, 'level' | 'message'> & { at?: string };

function Writing({ text: begun, act, saving }: { text: string; act: string; saving: Saving }) {
  const [text, setText] = useState(begun);
  const [findings, setFindings] = useState<Found[]>();
  const isBroken = findings?.some(({ level }) => level === 'error') ?? false;
  return (
    <>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          saving.mutate(JSON.parse(text) as Document);
        }}
      >
        <JsonCode<Finding>
          label="Pipeline document"
          text={begun}
          find={findingsIn}
          spanOf={(state, { at }) => placeOf(state, at)}
          onChange={(changed) => {
            setText(changed);
            setFindings(undefined);
          }}
          onFindings={setFindings}
        />
        <Findings findings={findings?.map(sayOf)} />
        <ProblemNote error={saving.error} />
        <div className="acts">
          <button type="submit" className="primary" disabled={saving.isPending || isBroken || !isJson(text)}>
            {act}
          </button>
        </div>
      </form>
      <Trial
        title="Try what stands above"
        ask={async (recorded) =>
          api.post('/v1/pipelines/simulate', { body: { document: jsonIn(text, 'The document'), ...recorded } })
        }
      />
    </>
  );
}

const sayOf = ({ at, level, message }: Found): Said => ({
  level,
  message,
  place:
    at === undefined || at === '' ? null : (
      <>
        <code>{at}</code>{' '}
      </>
    ),
});
