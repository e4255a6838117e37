import { api } from '../api.js';
import { useAct } from '../parts/acting.js';
import { Confirm } from '../parts/confirm.js';
import { useTell } from '../parts/told.js';

const activate = (name: string, version: number | null) =>
  api.post('/v1/pipelines/{name}/activate', { path: { name }, body: { version } });

type Props = { name: string; version: number; active: number | undefined; onClose(): void };

/** The last question before a version runs. Afterwards one step leads back. */
export function ActivateDialog({ name, version, active, onClose }: Props) {
  const tell = useTell();
  const back = useAct(
    () => activate(name, active ?? null),
    () => tell({ text: active === undefined ? `${name} runs no more.` : `Version ${active} of ${name} runs again.` }),
  );
  const acting = useAct(
    () => activate(name, version),
    () => {
      tell({ text: `Version ${version} of ${name} runs now.`, undo: () => back.mutate() });
      onClose();
    },
  );
  return (
    <Confirm
      title={`Activate version ${version} of ${name}`}
      about={`${active === undefined ? 'No version runs now.' : `Version ${active} runs now.`} Every edge with pipelines goes by the new one at once; it can be taken back.`}
      act={`Activate version ${version}`}
      acting={acting}
      onClose={onClose}
    >
      <div className="note warn">
        <p>
          Edges keep the messages that it matches, and send on what it makes of them. Windows and means begin anew:{' '}
          simulate it on recorded messages first.
        </p>
      </div>
    </Confirm>
  );
}

/** The last question before a pipeline runs no more. Afterwards one step leads back. */
export function DisableDialog({ name, active, onClose }: { name: string; active: number; onClose(): void }) {
  const tell = useTell();
  const back = useAct(
    () => activate(name, active),
    () => tell({ text: `Version ${active} of ${name} runs again.` }),
  );
  const acting = useAct(
    () => activate(name, null),
    () => {
      tell({ text: `${name} runs no more.`, undo: () => back.mutate() });
      onClose();
    },
  );
  return (
    <Confirm
      title={`Disable ${name}`}
      about={`Version ${active} runs now. Edges stop at once, and messages go to the broker as they come; it can be taken back.`}
      act="Disable"
      acting={acting}
      onClose={onClose}
    />
  );
}
