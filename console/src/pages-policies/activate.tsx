import { useQuery } from '@tanstack/react-query';
import { api, type Schemas } from '../api.js';
import { useAct } from '../parts/acting.js';
import { Confirm } from '../parts/confirm.js';
import { ProblemNote } from '../parts/problem.js';
import { Skeleton, Time } from '../parts/shown.js';
import { useTell } from '../parts/told.js';

type Props = { name: string; version: number; active: number; onClose(): void };

/** What would change first, then the act. Afterwards one step leads back. */
export function ActivateDialog({ name, version, active, onClose }: Props) {
  const tell = useTell();
  const activate = (wanted: number) =>
    api.post('/v1/policies/{name}/activate', { path: { name }, body: { version: wanted } });
  const back = useAct(
    () => activate(active),
    () => tell({ text: `Version ${active} of ${name} decides again.` }),
  );
  const acting = useAct(
    () => activate(version),
    () => {
      tell({ text: `Version ${version} of ${name} decides now.`, undo: () => back.mutate() });
      onClose();
    },
  );
  const preview = useQuery({
    queryKey: ['policies', 'preview', name, version, active],
    queryFn: () => api.post('/v1/policies/{name}/activate', { path: { name }, body: { version, dryRun: true } }),
    staleTime: 0,
  });
  return (
    <Confirm
      title={`Activate version ${version} of ${name}`}
      about={`Version ${active} decides now. Every server and edge goes by the new one at once; it can be taken back.`}
      act={`Activate version ${version}`}
      acting={acting}
      onClose={onClose}
    >
      <ProblemNote error={preview.error} />
      {preview.isPending ? <Skeleton /> : null}
      {preview.data?.blastRadius === undefined ? null : <Damage radius={preview.data.blastRadius} />}
    </Confirm>
  );
}

function Damage({ radius: { decisions, things } }: { radius: Schemas['BlastRadius'] }) {
  const isSame = decisions.changed === 0 && things.changed === 0;
  return (
    <div className={isSame ? 'note good' : 'note warn'}>
      <strong>{isSame ? 'Nothing that was examined would be answered otherwise' : 'What would change'}</strong>
      <ul>
        <li>
          {things.changed.toLocaleString()} of {things.examined.toLocaleString()} examined things, of{' '}
          {things.carrying.toLocaleString()} that carry it
        </li>
        <li>
          {decisions.changed.toLocaleString()} of {decisions.examined.toLocaleString()} recent decisions
        </li>
      </ul>
      {isSame ? null : (
        <details>
          <summary>Examples</summary>
          <ul>
            {things.examples.slice(0, 10).flatMap(({ thingName, changes }) =>
              changes.slice(0, 3).map((change) => (
                <li key={`${thingName} ${change.action} ${change.resource}`}>
                  <Example {...change} thingName={thingName} />
                </li>
              )),
            )}
            {decisions.examples.slice(0, 10).map((change) => (
              <li key={`${change.thingName} ${change.at}`}>
                <Example {...change} />
              </li>
            ))}
          </ul>
        </details>
      )}
    </div>
  );
}

function Example({ thingName, action, resource, at, before, after }: Schemas['ChangedDecision']) {
  return (
    <>
      {thingName}: {action} <code>{resource}</code>, {before.decision} becomes <strong>{after.decision}</strong> (from{' '}
      <Time at={at} />)
    </>
  );
}
