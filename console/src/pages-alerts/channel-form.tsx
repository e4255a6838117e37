import { useState } from 'react';
import { api, type Schemas } from '../api.js';
import { useAct } from '../parts/acting.js';
import { Modal } from '../parts/dialog.js';
import { FormEnd } from '../parts/form-end.js';
import { Field } from '../parts/shown.js';
import { channelTypes } from './channel-types.js';

type Channel = Schemas['AlertChannel'];
type Props = { channel?: Channel; onClose(): void; onMade?(name: string, secret: string): void };

const addressesIn = (text: string): string[] => text.split(/[\s,]+/).filter((word) => word !== '');

/** What can be edited of where a channel leads. The URL of a room of Slack is a secret: what is shown of it is no URL to save. */
function whereOf(channel: Channel | undefined): string {
  if (channel?.type === 'slack') return '';
  return channel?.to?.join(' ') ?? channel?.url ?? '';
}

function bodyOf(type: Channel['type'], where: string): { to?: string[]; url?: string } {
  if (type === 'email') return { to: addressesIn(where) };
  return where.trim() === '' ? {} : { url: where.trim() };
}

/** Makes a channel, or changes one. The type of a channel stays. */
export function ChannelForm({ channel, onClose, onMade }: Props) {
  const [type, setType] = useState<Channel['type']>(channel?.type ?? 'webhook');
  const [name, setName] = useState(channel?.name ?? '');
  const [where, setWhere] = useState(() => whereOf(channel));
  const [isOn, setOn] = useState(channel?.enabled ?? true);
  const saving = useAct(
    async () => {
      const body = { name: name.trim(), enabled: isOn, ...bodyOf(type, where) };
      if (channel === undefined) return (await api.post('/v1/alerts/channels', { body: { type, ...body } })).secret;
      await api.patch('/v1/alerts/channels/{id}', { path: { id: channel.id }, body });
      return undefined;
    },
    (secret) => {
      onClose();
      if (secret !== undefined) onMade?.(name.trim(), secret);
    },
  );
  return (
    <Modal
      title={channel === undefined ? 'New channel' : `Edit ${channel.name}`}
      about="Alerts are told here while they fire, and when they are over."
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
        <Field label="Name">
          <input
            value={name}
            onChange={({ target }) => setName(target.value)}
            required
            maxLength={64}
            autoComplete="off"
          />
        </Field>
        {channel === undefined ? (
          <Field label="Type">
            <select value={type} onChange={({ target }) => setType(target.value as Channel['type'])}>
              {Object.entries(channelTypes).map(([value, title]) => (
                <option key={value} value={value}>
                  {title}
                </option>
              ))}
            </select>
          </Field>
        ) : null}
        <Where type={type} isKept={channel?.type === 'slack'} where={where} onChange={setWhere} />
        <label className="check">
          <input type="checkbox" checked={isOn} onChange={({ target }) => setOn(target.checked)} />
          It is on
        </label>
        <FormEnd acting={saving} act={channel === undefined ? 'Create' : 'Save'} onClose={onClose} />
      </form>
    </Modal>
  );
}

type WhereProps = { type: Channel['type']; isKept: boolean; where: string; onChange(where: string): void };

function Where({ type, isKept, where, onChange }: WhereProps) {
  if (type === 'email')
    return (
      <Field label="Addresses" hint="At most 10, with spaces between them.">
        <input value={where} onChange={({ target }) => onChange(target.value)} required spellCheck={false} />
      </Field>
    );
  const hint = isKept
    ? 'Empty: the one that is there stays.'
    : 'https, or an address that the operator of this server lists.';
  return (
    <Field label="URL" hint={hint}>
      <input
        type="url"
        value={where}
        onChange={({ target }) => onChange(target.value)}
        required={!isKept}
        spellCheck={false}
      />
    </Field>
  );
}
