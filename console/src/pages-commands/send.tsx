import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api, type Schemas } from '../api.js';
import { useAct } from '../parts/acting.js';
import { Modal } from '../parts/dialog.js';
import { FormEnd } from '../parts/form-end.js';
import { jsonIn, jsonOf } from '../json/json.js';
import { Field } from '../parts/shown.js';

type Props = { thing: string; thingType: string | undefined; onClose(): void; onSent(id: string): void };

const units = { seconds: 1, minutes: 60, hours: 3600, days: 86_400 };
type Unit = keyof typeof units;

/** A command for a thing: its name, what it carries, and for how long it is good. */
export function SendDialog({ thing, thingType, onClose, onSent }: Props) {
  const [name, setName] = useState('');
  const [payload, setPayload] = useState('');
  const [many, setMany] = useState('1');
  const [unit, setUnit] = useState<Unit>('hours');
  const schemas = useSchemas(thingType);
  const schema = schemas.find((each) => each.name === name.trim());
  const sending = useAct(
    async () =>
      api.post('/v1/things/{name}/commands', {
        path: { name: thing },
        body: {
          name: name.trim(),
          ...(payload.trim() === '' ? {} : { payload: jsonIn(payload, 'The payload') }),
          expiresIn: Math.round(Number(many) * units[unit]),
        },
      }),
    ({ id }) => onSent(id),
  );
  return (
    <Modal
      title={`Send ${thing} a command`}
      about="It is sent once, as soon as the thing has a session at an edge, and cannot be taken back."
      open
      onClose={onClose}
    >
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          sending.mutate();
        }}
      >
        <Field label="Name" hint="A level of its topic, such as reboot or set-speed">
          <input
            value={name}
            onChange={({ target }) => setName(target.value)}
            list="command-names"
            required
            spellCheck={false}
            autoComplete="off"
          />
        </Field>
        <datalist id="command-names">
          {schemas.map((each) => (
            <option key={each.id} value={each.name} />
          ))}
        </datalist>
        {schema === undefined ? null : (
          <details>
            <summary>What its payload must look like</summary>
            <pre className="json" tabIndex={0} role="region" aria-label="Schema of the payload">
              {jsonOf(schema.schema)}
            </pre>
          </details>
        )}
        <Field label="Payload" hint="JSON; null when empty. Everybody who may read things can read it: no secrets.">
          <textarea
            value={payload}
            onChange={({ target }) => setPayload(target.value)}
            placeholder={'{ "delay": 5 }'}
            rows={5}
            spellCheck={false}
          />
        </Field>
        <div className="filters">
          <Field label="Sent no longer after">
            <input
              type="number"
              min="0"
              step="any"
              value={many}
              onChange={({ target }) => setMany(target.value)}
              required
            />
          </Field>
          <Field label="Unit of time">
            <select value={unit} onChange={({ target }) => setUnit(target.value as Unit)}>
              {Object.keys(units).map((each) => (
                <option key={each}>{each}</option>
              ))}
            </select>
          </Field>
        </div>
        <FormEnd acting={sending} act="Send" onClose={onClose} />
      </form>
    </Modal>
  );
}

/** The schemas that payloads for a thing of this type have to fit: one for its type goes before one for all. */
function useSchemas(thingType: string | undefined): Schemas['CommandSchema'][] {
  const { data } = useQuery({
    queryKey: ['command-schemas', 'offered'],
    queryFn: ({ signal }) => api.get('/v1/command-schemas', { query: { limit: 100 }, signal }),
  });
  const fitting = (data?.items ?? []).filter((each) => each.thingType === undefined || each.thingType === thingType);
  const own = new Set(fitting.filter((each) => each.thingType !== undefined).map((each) => each.name));
  return fitting.filter((each) => each.thingType !== undefined || !own.has(each.name));
}
