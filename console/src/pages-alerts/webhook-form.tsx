import { useState } from 'react';
import { api, type Schemas } from '../api.js';
import { useAct } from '../parts/acting.js';
import { Modal } from '../parts/dialog.js';
import { FormEnd } from '../parts/form-end.js';
import { useMay } from '../parts/may.js';
import { Choices, Field } from '../parts/shown.js';
import { eventTypes } from './words.js';

type Webhook = Schemas['Webhook'];
type EventType = Schemas['EventType'];
type Props = { webhook?: Webhook; onClose(): void; onMade?(secret: string): void };

const all = Object.keys(eventTypes) as EventType[];

/** Makes a webhook, or changes one. A type that somebody may not read is not offered to them. */
export function WebhookForm({ webhook, onClose, onMade }: Props) {
  const may = useMay();
  const [url, setUrl] = useState(webhook?.url ?? '');
  const [description, setDescription] = useState(webhook?.description ?? '');
  const [types, setTypes] = useState<readonly string[]>(webhook?.types ?? []);
  const [isOn, setOn] = useState(webhook?.enabled ?? true);
  const saving = useAct(
    async () => {
      const body = { url: url.trim(), description: description.trim(), types: types as EventType[], enabled: isOn };
      if (webhook === undefined) return (await api.post('/v1/webhooks', { body })).secret;
      await api.patch('/v1/webhooks/{id}', { path: { id: webhook.id }, body });
      return undefined;
    },
    (secret) => {
      onClose();
      if (secret !== undefined) onMade?.(secret);
    },
  );
  return (
    <Modal
      title={webhook === undefined ? 'New webhook' : 'Edit the webhook'}
      about="What waits for it goes to where it is then."
      open
      onClose={onClose}
    >
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          saving.mutate();
        }}
      >
        <Field label="URL" hint="https, or an address that the operator of this server lists.">
          <input
            type="url"
            value={url}
            onChange={({ target }) => setUrl(target.value)}
            required
            maxLength={2048}
            spellCheck={false}
          />
        </Field>
        <Field label="Description">
          <input value={description} onChange={({ target }) => setDescription(target.value)} maxLength={256} />
        </Field>
        <Choices
          title="What it is told"
          offered={all.filter((type) => may(eventTypes[type]) || types.includes(type)).map((type) => [type, type])}
          chosen={types}
          onChange={setTypes}
        />
        <label className="check">
          <input type="checkbox" checked={isOn} onChange={({ target }) => setOn(target.checked)} />
          It is on
        </label>
        <FormEnd acting={saving} act={webhook === undefined ? 'Create' : 'Save'} onClose={onClose} />
      </form>
    </Modal>
  );
}
