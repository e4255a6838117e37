import { useState } from 'react';
import { api, type Schemas } from '../api.js';
import { useAct } from '../parts/acting.js';
import { Modal } from '../parts/dialog.js';
import { FormEnd } from '../parts/form-end.js';
import { Field } from '../parts/shown.js';
import { GrantFields, type Grant } from './grants.js';

const flags = {
  bearer: 'It asks about devices by their tokens alone',
  enforcesCrl: 'It checks lists of revoked certificates itself',
  followsFeed: 'It follows the feed of revocations itself',
  inUrl: 'It may stand in a URL, for brokers that cannot send headers',
} as const;

type Flag = keyof typeof flags;

/** Asks what a new key is for, and gives it. */
export function NewKey({ onClose, onMade }: { onClose(): void; onMade(secret: string): void }) {
  const [name, setName] = useState('');
  const [grant, setGrant] = useState<Grant>({ role: 'proxy' });
  const [ends, setEnds] = useState('');
  const [set, setSet] = useState<readonly Flag[]>([]);
  const creating = useAct(
    () =>
      api.post('/v1/api-keys', {
        body: {
          ...grant,
          ...(name.trim() === '' ? {} : { name: name.trim() }),
          ...(ends === '' ? {} : { expiresAt: new Date(ends).toISOString() }),
          ...Object.fromEntries(set.map((flag) => [flag, true])),
        },
      }),
    ({ key }) => onMade(key),
  );
  return (
    <Modal title="New key" about="It gets what you choose here, and nothing that you lack." open onClose={onClose}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          creating.mutate();
        }}
      >
        <Field label="Name">
          <input value={name} onChange={({ target }) => setName(target.value)} required autoComplete="off" />
        </Field>
        <GrantFields grant={grant} onChange={setGrant} />
        <Field label="Ends" hint="Empty: never.">
          <input type="datetime-local" value={ends} onChange={({ target }) => setEnds(target.value)} />
        </Field>
        <fieldset>
          <legend>What its program promises</legend>
          {(Object.keys(flags) as Flag[]).map((flag) => (
            <label key={flag} className="check">
              <input
                type="checkbox"
                checked={set.includes(flag)}
                onChange={({ target }) => setSet(target.checked ? [...set, flag] : set.filter((each) => each !== flag))}
              />
              {flags[flag]}
            </label>
          ))}
        </fieldset>
        <FormEnd acting={creating} act="Create" onClose={onClose} />
      </form>
    </Modal>
  );
}

/** Changes what a key is called and when it ends. What it may do never changes. */
export function EditKey({ apiKey, onClose }: { apiKey: Schemas['ApiKey']; onClose(): void }) {
  const [name, setName] = useState(apiKey.name ?? '');
  const [description, setDescription] = useState(apiKey.description ?? '');
  const saving = useAct(
    () =>
      api.patch('/v1/api-keys/{id}', {
        path: { id: apiKey.id },
        body: { name: name.trim() || null, description: description.trim() || null },
      }),
    onClose,
  );
  return (
    <Modal title="Edit the key" about="What it may do stays: make another key for that." open onClose={onClose}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          saving.mutate();
        }}
      >
        <Field label="Name">
          <input value={name} onChange={({ target }) => setName(target.value)} />
        </Field>
        <Field label="Description">
          <textarea value={description} onChange={({ target }) => setDescription(target.value)} maxLength={1000} />
        </Field>
        <FormEnd acting={saving} act="Save" onClose={onClose} />
      </form>
    </Modal>
  );
}
