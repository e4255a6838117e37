import { useState } from 'react';
import type { Schemas } from '../api.js';
import { FormEnd } from '../parts/form-end.js';
import { Field } from '../parts/shown.js';
import { Found } from './found.js';
import { textOf } from './query.js';

type Props = {
  group?: Schemas['Group'];
  act: string;
  saving: { error: Error | null; isPending: boolean };
  onSave(draft: { name: string; query: string }): void;
  onClose(): void;
};

/** A group: its name, which stays, and its query, with what that finds. */
export function GroupForm({ group, act, saving, onSave, onClose }: Props) {
  const [name, setName] = useState(group?.name ?? '');
  const [query, setQuery] = useState(group === undefined ? '' : textOf(group.query));
  const [asked, setAsked] = useState<string>();
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        onSave({ name: name.trim(), query });
      }}
    >
      {group === undefined ? (
        <Field label="Name">
          <input value={name} onChange={({ target }) => setName(target.value)} required spellCheck={false} />
        </Field>
      ) : null}
      <Field label="Query" hint='Such as type = pump and attributes.site in (oslo, bergen) and not name = "test-*"'>
        <textarea value={query} onChange={({ target }) => setQuery(target.value)} required spellCheck={false} />
      </Field>
      <div className="acts">
        <button type="button" onClick={() => setAsked(query)} disabled={query.trim() === ''}>
          See what it finds
        </button>
      </div>
      {asked === undefined ? null : <Found query={asked} />}
      <FormEnd acting={saving} act={act} onClose={onClose} />
    </form>
  );
}
