import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useState } from 'react';
import { api } from '../api.js';
import { ChangeView } from '../documents/change.js';
import { diffLines } from '../documents/diff.js';
import { ActivateVersion, VersionCells } from '../documents/versions.js';
import { jsonOf } from '../json/json.js';
import { Listed, usePages } from '../parts/listed.js';
import { useMay } from '../parts/may.js';
import { ProblemNote } from '../parts/problem.js';
import { Section, Skeleton } from '../parts/shown.js';
import { ActivateDialog } from './activate.js';
import { inOrder } from './order.js';
import { pipelineQuery, pipelineVersionQuery } from './queries.js';

const route = getRouteApi('/signed-in/pipelines/$name/versions');

/** The versions of a pipeline, what changed between two of them, and which one runs. */
export function PipelineVersionsPage() {
  const { name } = route.useParams();
  const { from, to } = route.useSearch();
  const may = useMay();
  const pipeline = useQuery(pipelineQuery(name));
  const [chosen, setChosen] = useState<number>();
  const active = pipeline.data?.activeVersion;
  const base = active ?? pipeline.data?.versions[0]?.version;
  const list = usePages(['pipelines', 'versions', name], (cursor, signal) =>
    api.get('/v1/pipelines/{name}/versions', { path: { name }, query: { limit: 50, ...cursor }, signal }),
  );
  return (
    <>
      {from !== undefined && to !== undefined ? <Diff name={name} from={from} to={to} /> : null}
      <Listed
        label="Versions"
        head={['Version', 'Saved', 'By', 'State', 'Compare', 'Try', 'Activate']}
        list={list}
        empty={null}
        row={({ version, createdAt, createdBy }) => (
          <tr key={version}>
            <VersionCells version={version} at={createdAt} by={createdBy} isActive={version === active} />
            <td>
              {base === undefined || version === base ? (
                '–'
              ) : (
                <Link to="/pipelines/$name/versions" params={{ name }} search={{ from: base, to: version }}>
                  with version {base}
                </Link>
              )}
            </td>
            <td>
              <Link
                to="/pipelines/$name/simulate"
                params={{ name }}
                search={{ version }}
                aria-label={`Simulate version ${version}`}
              >
                Simulate
              </Link>
            </td>
            <td>
              <ActivateVersion
                version={version}
                isOffered={version !== active && may('pipelines:write')}
                onChoose={setChosen}
              />
            </td>
          </tr>
        )}
      />
      {chosen === undefined ? null : (
        <ActivateDialog name={name} version={chosen} active={active} onClose={() => setChosen(undefined)} />
      )}
    </>
  );
}

const linesOf = (document: Record<string, unknown>): string[] => jsonOf(inOrder(document)).split('\n');

function Diff({ name, from, to }: { name: string; from: number; to: number }) {
  const before = useQuery(pipelineVersionQuery(name, from));
  const after = useQuery(pipelineVersionQuery(name, to));
  const error = before.error ?? after.error;
  const lines =
    before.data && after.data ? diffLines(linesOf(before.data.document), linesOf(after.data.document)) : undefined;
  const isSame = lines?.every(({ sign }) => sign === ' ');
  return (
    <Section title={`From version ${from} to version ${to}`}>
      <ProblemNote error={error} />
      {lines === undefined && !error ? <Skeleton /> : null}
      {isSame ? <p>They say the same.</p> : null}
      {lines && !isSame ? <ChangeView change={{ id: 'document', kind: 'changed', lines }} /> : null}
    </Section>
  );
}
