import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { api, type Schemas } from '../api.js';
import { useAct } from '../parts/acting.js';
import { Confirm } from '../parts/confirm.js';
import { Copy } from '../parts/copy.js';
import { Modal } from '../parts/dialog.js';
import { ProblemNote } from '../parts/problem.js';
import { Skeleton, Time } from '../parts/shown.js';
import { useTell } from '../parts/told.js';

type Props = { thing: Schemas['ThingWithSessions']; onClose(): void };

/** Lets a device come in again under its name, with another key. */
export function ReenrollDialog({ thing: { name }, onClose }: Props) {
  const [made, setMade] = useState<Schemas['Reenrollment']>();
  const asking = useAct(() => api.post('/v1/things/{name}/reenroll', { path: { name }, body: {} }), setMade);
  if (made === undefined)
    return (
      <Confirm
        title={`Re-enroll ${name}`}
        about="Its certificates end, and a token lets one device in under its name, with another key. It keeps policies and attributes."
        act="Re-enroll"
        word={name}
        acting={asking}
        onClose={onClose}
      />
    );
  const command = `thingward agent provision --server ${location.origin} --enrollment ${made.token} --name ${name} --out ./${name}`;
  return (
    <Modal title={`${name} may come in again`} about="The token is shown here once." open onClose={onClose}>
      <div className="stack">
        <Copy text={command} label="the command" />
        <p>
          It ends <Time at={made.expiresAt} />.
        </p>
        <button type="button" className="primary" onClick={onClose}>
          Done
        </button>
      </div>
    </Modal>
  );
}

/** Chooses the policies of a thing. */
export function PoliciesDialog({ thing: { name, policies }, onClose }: Props) {
  const tell = useTell();
  const [chosen, setChosen] = useState<readonly string[]>(policies);
  const all = useQuery({
    queryKey: ['policies', 'names'],
    queryFn: () => api.get('/v1/policies', { query: { limit: 200 } }),
  });
  const set = (wanted: readonly string[]) =>
    api.put('/v1/things/{name}/policies', { path: { name }, body: { policies: [...wanted] } });
  const undoing = useAct(() => set(policies));
  const setting = useAct(
    () => set(chosen),
    () => {
      tell({ text: `The policies of ${name} are set.`, undo: () => undoing.mutate() });
      onClose();
    },
  );
  const names = [...new Set([...policies, ...(all.data?.items.map((each) => each.name) ?? [])])];
  return (
    <Modal title={`Policies of ${name}`} about="They take effect at once, on every edge." open onClose={onClose}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          setting.mutate();
        }}
      >
        {all.isPending ? <Skeleton /> : null}
        <div className="toggles">
          {names.map((each) => (
            <label key={each} className="check">
              <input
                type="checkbox"
                checked={chosen.includes(each)}
                onChange={({ target }) =>
                  setChosen(target.checked ? [...chosen, each] : chosen.filter((other) => other !== each))
                }
              />
              {each}
            </label>
          ))}
        </div>
        <ProblemNote error={all.error ?? setting.error} />
        <div className="acts">
          <button type="submit" className="primary" disabled={setting.isPending}>
            Set policies
          </button>
          <button type="button" onClick={onClose}>
            Cancel
          </button>
        </div>
      </form>
    </Modal>
  );
}

/** Removes what is left of a revoked thing. */
export function DeleteDialog({ thing: { name }, onClose }: Props) {
  const navigate = useNavigate();
  const deleting = useAct(
    () => api.delete('/v1/things/{name}', { path: { name } }),
    () => navigate({ to: '/things' }),
  );
  return (
    <Confirm
      title={`Delete ${name}`}
      about="Its certificates stay revoked. Its name is free again later: the answer of the API says when."
      act="Delete"
      word={name}
      acting={deleting}
      onClose={onClose}
    />
  );
}
