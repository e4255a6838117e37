import { useQuery } from '@tanstack/react-query';
import { getRouteApi, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { api, type Schemas } from '../api.js';
import { Findings, type Said } from '../documents/findings.js';
import { useAct } from '../parts/acting.js';
import { isJson } from '../json/json.js';
import { JsonCode } from '../json/json-code.js';
import { PageHead } from '../parts/page.js';
import { ProblemNote } from '../parts/problem.js';
import { Skeleton } from '../parts/shown.js';
import { completePolicy, statementAt } from './completion.js';
import { findingsIn, type Finding } from './lint.js';
import { policyQuery } from './queries.js';
import { firstStatement } from './words.js';

const route = getRouteApi('/signed-in/policies/$name/edit');

type Input = Schemas['PolicyDocumentInput'];

const written = (document: unknown): string => `${JSON.stringify(document, undefined, 2)}\n`;

/** A policy that is not there yet. */
export function NewPolicyPage() {
  const navigate = useNavigate();
  const saving = useAct(
    (document: Input) => api.post('/v1/policies', { body: document }),
    ({ name }) => navigate({ to: '/policies/$name', params: { name } }),
  );
  const first = { name: 'my-policy', dataSensitivity: 'medium', statements: [firstStatement] };
  return (
    <>
      <PageHead
        title="New policy"
        back={['Policies', '/policies']}
        about="Its first version decides as soon as a thing carries it. Ctrl+Space shows what fits; Escape, then Tab, leaves the editor."
      />
      <Writing text={written(first)} act="Create policy" saving={saving} />
    </>
  );
}

/** A further version of a policy. It decides nothing until it is activated. */
export function EditPolicyPage() {
  const { name } = route.useParams();
  const navigate = useNavigate();
  const policy = useQuery({ ...policyQuery(name), staleTime: Infinity });
  const saving = useAct(
    (document: Input) => api.post('/v1/policies/{name}/versions', { path: { name }, body: document }),
    ({ version, activeVersion }) =>
      navigate({ to: '/policies/$name/versions', params: { name }, search: { from: activeVersion, to: version } }),
  );
  return (
    <>
      <p className="note">
        Saving makes another version. It decides nothing until you activate it, and you see first what it would change.
        Ctrl+Space shows what fits; Escape, then Tab, leaves the editor.
      </p>
      <ProblemNote error={policy.error} />
      {policy.isPending ? <Skeleton lines={10} /> : null}
      {policy.data ? (
        <Writing text={written(policy.data.document)} act="Save as a new version" saving={saving} />
      ) : null}
    </>
  );
}

type Saving = { mutate(document: Input): void; isPending: boolean; error: unknown };

function Writing({ text: first, act, saving }: { text: string; act: string; saving: Saving }) {
  const [text, setText] = useState(first);
  const [findings, setFindings] = useState<Finding[]>();
  const isBroken = findings?.some(({ level }) => level === 'error') ?? false;
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        saving.mutate(JSON.parse(text) as Input);
      }}
    >
      <JsonCode<Finding>
        label="Policy document"
        text={first}
        complete={completePolicy}
        find={findingsIn}
        spanOf={(state, { statement }) => (statement === undefined ? undefined : statementAt(state, statement))}
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
  );
}

const sayOf = ({ statement, level, message }: Finding): Said => ({
  level,
  message,
  place: statement === undefined ? null : <strong>{statement}: </strong>,
});
