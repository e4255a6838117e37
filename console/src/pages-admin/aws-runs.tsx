import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api, background, type Schemas } from '../api.js';
import { useAct } from '../parts/acting.js';
import { Confirm } from '../parts/confirm.js';
import { ProblemNote } from '../parts/problem.js';
import { Section, Skeleton, Status, Table, Time } from '../parts/shown.js';

const everyMs = 2_000;
const mostShown = 100;

/** Comparisons with AWS, and what differed. */
export function Reconciliations() {
  const [shown, setShown] = useState<string>();
  const [isAsking, setAsking] = useState(false);
  const { data, error } = useQuery({
    queryKey: ['aws', 'reconcile'],
    queryFn: () => background.get('/v1/aws/reconcile'),
    refetchInterval: ({ state }) =>
      state.data?.items.some(({ status }) => status === 'running') === true ? everyMs : false,
  });
  const starting = useAct(
    (dryRun: boolean) => api.post('/v1/aws/reconcile', { body: { dryRun } }),
    ({ id }) => {
      setShown(id);
      setAsking(false);
    },
  );
  return (
    <Section title="Comparisons">
      <ProblemNote error={error ?? starting.error} />
      {data === undefined && !error ? <Skeleton /> : null}
      {data?.items.length === 0 ? <p>Nothing was compared yet.</p> : null}
      {data && data.items.length > 0 ? (
        <Table label="Comparisons with AWS" head={['Started', 'Kind', 'State', 'Found', 'Act']}>
          {data.items.map(({ id, startedAt, dryRun, status, counts }) => (
            <tr key={id}>
              <td>
                <Time at={startedAt} />
              </td>
              <td>{dryRun ? 'look only' : 'mend'}</td>
              <td>
                <Status of={status} />
              </td>
              <td>{countsOf(counts) || 'no difference'}</td>
              <td>
                <button type="button" className="quiet" onClick={() => setShown(id)}>
                  Show
                </button>
              </td>
            </tr>
          ))}
        </Table>
      ) : null}
      <div className="acts">
        <button type="button" disabled={starting.isPending} onClick={() => starting.mutate(true)}>
          Compare, change nothing
        </button>
        <button type="button" className="danger" onClick={() => setAsking(true)}>
          Compare and mend…
        </button>
      </div>
      {shown === undefined ? null : <Reconciliation id={shown} />}
      {isAsking ? (
        <Confirm
          title="Compare, and mend AWS"
          about="What differs in AWS becomes as it is here. Compare without changes first to see what that is."
          act="Compare and mend"
          acting={{ ...starting, mutate: () => starting.mutate(false) }}
          onClose={() => setAsking(false)}
        />
      ) : null}
    </Section>
  );
}

const countsOf = (counts: Record<string, number>): string =>
  Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${name}: ${count.toLocaleString()}`)
    .join(', ');

function Reconciliation({ id }: { id: string }) {
  const { data, error } = useQuery({
    queryKey: ['aws', 'reconcile', id],
    queryFn: () => background.get('/v1/aws/reconcile/{id}', { path: { id } }),
    refetchInterval: ({ state }) => (state.data?.status === 'running' ? everyMs : false),
  });
  return (
    <div role="status">
      <ProblemNote error={error} />
      {data === undefined ? null : (
        <>
          <h3 className="spaced">
            {data.status === 'running' ? `Looking at ${data.phase}…` : `What differed (${data.findings.length})`}
          </h3>
          {data.reason === undefined ? null : <p className="note bad">{data.reason}</p>}
          {data.findings.length === 0 ? null : <Findings findings={data.findings} />}
        </>
      )}
    </div>
  );
}

function Findings({ findings }: { findings: Schemas['AwsDifference'][] }) {
  return (
    <Table label="Differences" head={['What', 'Of', 'Detail']}>
      {findings.slice(0, mostShown).map(({ kind, subject, detail }) => (
        <tr key={`${kind} ${subject}`}>
          <td>{kind}</td>
          <td>{subject}</td>
          <td className="wide">{detail ?? '–'}</td>
        </tr>
      ))}
    </Table>
  );
}

/** Things that AWS has and Thingward does not: brought in. */
export function Imports() {
  const [id, setId] = useState<string>();
  const [isAsking, setAsking] = useState(false);
  const starting = useAct(
    (dryRun: boolean) => api.post('/v1/aws/import', { body: { dryRun } }),
    (run) => {
      setId(run.id);
      setAsking(false);
    },
  );
  const run = useQuery({
    queryKey: ['aws', 'import', id],
    queryFn: () => background.get('/v1/aws/import/{id}', { path: { id: id! } }),
    enabled: id !== undefined,
    refetchInterval: ({ state }) => (state.data?.status === 'running' ? everyMs : false),
  });
  return (
    <Section title="Import from AWS">
      <p>Things, certificates and policies that are in AWS IoT already become things here.</p>
      <ProblemNote error={starting.error ?? run.error} />
      <div className="acts">
        <button type="button" disabled={starting.isPending} onClick={() => starting.mutate(true)}>
          Look what would come
        </button>
        <button type="button" onClick={() => setAsking(true)}>
          Import…
        </button>
      </div>
      {run.data === undefined ? null : <ImportRun run={run.data} />}
      {isAsking ? (
        <Confirm
          title="Import from AWS"
          about="What is in AWS becomes things and policies here. What is here already stays."
          act="Import"
          acting={{ ...starting, mutate: () => starting.mutate(false) }}
          onClose={() => setAsking(false)}
        />
      ) : null}
    </Section>
  );
}

function ImportRun({ run: { status, dryRun, seen, counts, items, reason } }: { run: Schemas['AwsImport'] }) {
  return (
    <div role="status" className="spaced">
      <Status of={status} /> {dryRun ? 'Look only. ' : ''}
      {seen.toLocaleString()} seen. {countsOf(counts)}
      {reason === undefined ? null : <p className="note bad">{reason}</p>}
      {items.length === 0 ? null : (
        <Table label="Imported things" head={['Thing', 'Result', 'Certificates', 'Warnings']}>
          {items.slice(0, mostShown).map(({ thing, result, certificates, warnings }) => (
            <tr key={thing}>
              <td>{thing}</td>
              <td>{result}</td>
              <td>{certificates}</td>
              <td className="wide">{warnings.join(' ') || '–'}</td>
            </tr>
          ))}
        </Table>
      )}
    </div>
  );
}
