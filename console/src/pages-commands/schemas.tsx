import { useState } from 'react';
import { api, type Schemas } from '../api.js';
import { useAct } from '../parts/acting.js';
import { Confirm } from '../parts/confirm.js';
import { Modal } from '../parts/dialog.js';
import { FormEnd } from '../parts/form-end.js';
import { jsonIn, jsonOf } from '../json/json.js';
import { Listed, usePages } from '../parts/listed.js';
import { useMay } from '../parts/may.js';
import { Empty, PageHead } from '../parts/page.js';
import { Field, Time } from '../parts/shown.js';

type CommandSchema = Schemas['CommandSchema'];

/** What payloads of commands look like. A schema does not change: another one takes its place. */
export function CommandSchemasPage() {
  const may = useMay();
  const [isAdding, setAdding] = useState(false);
  const [leaving, setLeaving] = useState<CommandSchema>();
  const list = usePages(['command-schemas', 'all'], (cursor, signal) =>
    api.get('/v1/command-schemas', { query: { limit: 50, ...cursor }, signal }),
  );
  const mayWrite = may('commands:write');
  return (
    <>
      <PageHead
        title="Command schemas"
        about="What payloads of commands look like. A command that does not fit is refused before it is sent."
      >
        {mayWrite ? (
          <button type="button" className="primary" onClick={() => setAdding(true)}>
            New schema
          </button>
        ) : null}
      </PageHead>
      <Listed
        label="Command schemas"
        head={['Command', 'For things of type', 'Payload', 'Made', 'By', ...(mayWrite ? ['Act'] : [])]}
        list={list}
        empty={
          <Empty title="There is no schema yet">
            <p>Without one, a command takes any JSON. With one, nobody sends a pump a speed that it cannot have.</p>
          </Empty>
        }
        row={(schema) => (
          <tr key={schema.id}>
            <td>{schema.name}</td>
            <td>{schema.thingType ?? <span className="faint">all others</span>}</td>
            <td className="wide">
              <code className="detail">{JSON.stringify(schema.schema)}</code>
            </td>
            <td>
              <Time at={schema.createdAt} />
            </td>
            <td>{schema.createdBy}</td>
            {mayWrite ? (
              <td>
                <button
                  type="button"
                  className="quiet danger"
                  onClick={() => setLeaving(schema)}
                  aria-label={`Delete the schema of ${schema.name}`}
                >
                  Delete…
                </button>
              </td>
            ) : null}
          </tr>
        )}
      />
      {isAdding ? <NewSchema onClose={() => setAdding(false)} /> : null}
      {leaving === undefined ? null : <DeleteSchema schema={leaving} onClose={() => setLeaving(undefined)} />}
    </>
  );
}

const firstSchema = { type: 'object', required: ['delay'], properties: { delay: { type: 'integer', minimum: 0 } } };

function NewSchema({ onClose }: { onClose(): void }) {
  const [name, setName] = useState('');
  const [type, setType] = useState('');
  const [schema, setSchema] = useState(jsonOf(firstSchema));
  const creating = useAct(
    async () =>
      api.post('/v1/command-schemas', {
        body: {
          name: name.trim(),
          ...(type.trim() === '' ? {} : { thingType: type.trim() }),
          schema: jsonIn(schema, 'The schema'),
        },
      }),
    onClose,
  );
  return (
    <Modal title="New schema" about="It does not change later: delete it and make another." open onClose={onClose}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          creating.mutate();
        }}
      >
        <Field label="Name of the command">
          <input value={name} onChange={({ target }) => setName(target.value)} required spellCheck={false} />
        </Field>
        <Field label="Type of things" hint="Empty: for each type that no other schema of this command names">
          <input value={type} onChange={({ target }) => setType(target.value)} spellCheck={false} />
        </Field>
        <Field label="JSON Schema" hint="2020-12, without pattern, format, $ref and uniqueItems">
          <textarea
            value={schema}
            onChange={({ target }) => setSchema(target.value)}
            rows={10}
            required
            spellCheck={false}
          />
        </Field>
        <FormEnd acting={creating} act="Create" onClose={onClose} />
      </form>
    </Modal>
  );
}

function DeleteSchema({ schema: { id, name, thingType }, onClose }: { schema: CommandSchema; onClose(): void }) {
  const deleting = useAct(() => api.delete('/v1/command-schemas/{id}', { path: { id } }), onClose);
  return (
    <Confirm
      title={`Delete the schema of ${name}`}
      about={`From then on ${name} takes any payload${thingType === undefined ? '' : ` for things of type ${thingType}, or what the schema for all others says`}. Commands that were sent stay.`}
      act="Delete"
      acting={deleting}
      onClose={onClose}
    />
  );
}
