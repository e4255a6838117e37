import { useState } from 'react';
import type { Schemas } from '../api.js';
import { Field } from '../parts/shown.js';

type Asked = Schemas['SimulatedRequest'];

const kinds = {
  connect: 'client:pump-17',
  publish: 'topic:account/pump-17/telemetry',
  subscribe: 'topic:account/pump-17/#',
  receive: 'topic:account/pump-17/commands',
  request: 'http:GET /readings',
} as Record<string, string>;

const protocols = ['mqtts', 'mqtt', 'wss', 'ws', 'https', 'http', 'coaps', 'coap'];

type Props = { act: string; first?: Partial<Question>; onAsk(request: Asked): void };

/** A question as somebody types it. */
export type Question = {
  thing: string;
  action: string;
  resource: string;
  sourceIp: string;
  protocol: string;
  at: string;
};

/** A question before anybody has typed. */
export const nothingAsked: Question = {
  thing: '',
  action: 'publish',
  resource: '',
  sourceIp: '',
  protocol: '',
  at: '',
};

/** Asks for a thing, an action and a resource, and for what conditions look at. */
export function QuestionForm({ act, first, onAsk }: Props) {
  const [asked, setAsked] = useState<Question>({ ...nothingAsked, ...first });
  const change = (name: keyof Question) => ({
    value: asked[name],
    onChange: ({ target }: { target: { value: string } }) => setAsked({ ...asked, [name]: target.value }),
  });
  return (
    <form
      className="form"
      onSubmit={(event) => {
        event.preventDefault();
        onAsk(requestOf(asked));
      }}
    >
      <Field label="Thing">
        <input {...change('thing')} required autoComplete="off" spellCheck={false} placeholder="pump-17" />
      </Field>
      <Field label="Action">
        <input {...change('action')} required list="actions" autoComplete="off" spellCheck={false} />
      </Field>
      <datalist id="actions">
        {Object.keys(kinds).map((action) => (
          <option key={action} value={action} />
        ))}
      </datalist>
      <Field label="Resource">
        <input
          {...change('resource')}
          required
          autoComplete="off"
          spellCheck={false}
          placeholder={kinds[asked.action] ?? 'endpoint:control_endpoint'}
        />
      </Field>
      <details className="wide">
        <summary>From where, how and when</summary>
        <div className="form">
          <Field label="Address of the device">
            <input {...change('sourceIp')} autoComplete="off" placeholder="10.1.2.3" />
          </Field>
          <Field label="Protocol">
            <select {...change('protocol')}>
              <option value="">not said</option>
              {protocols.map((protocol) => (
                <option key={protocol}>{protocol}</option>
              ))}
            </select>
          </Field>
          <Field label="Time" hint="Yours; now if it is empty.">
            <input type="datetime-local" {...change('at')} />
          </Field>
        </div>
      </details>
      <div className="acts">
        <button type="submit" className="primary">
          {act}
        </button>
      </div>
    </form>
  );
}

/** A time as inputs of browsers write it, in the zone of the reader. */
export function localTime(at: string | undefined): string {
  if (at === undefined || Number.isNaN(Date.parse(at))) return '';
  const time = new Date(at);
  return new Date(time.getTime() - time.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/** A question as the API reads it. */
export function requestOf({ thing, action, resource, sourceIp, protocol, at }: Question): Asked {
  const context = { ...(sourceIp ? { sourceIp: sourceIp.trim() } : {}), ...(protocol ? { protocol } : {}) };
  return {
    thing: { name: thing.trim() },
    action: action.trim(),
    resource: resource.trim(),
    ...(Object.keys(context).length > 0 ? { context } : {}),
    ...(at ? { at: new Date(at).toISOString() } : {}),
  };
}
