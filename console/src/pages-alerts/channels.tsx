import { useState } from 'react';
import { api, type Schemas } from '../api.js';
import { useAct } from '../parts/acting.js';
import { Confirm } from '../parts/confirm.js';
import { Listed, usePages } from '../parts/listed.js';
import { useMay } from '../parts/may.js';
import { Empty } from '../parts/page.js';
import { ShownOnce } from '../parts/shown-once.js';
import { Status, Time } from '../parts/shown.js';
import { ChannelForm } from './channel-form.js';
import { TestChannel } from './channel-test.js';
import { channelTypes } from './channel-types.js';

type Channel = Schemas['AlertChannel'];
type Asked =
  | { kind: 'new' }
  | { kind: 'edit' | 'delete' | 'test'; channel: Channel }
  | { kind: 'made'; name: string; secret: string };

/** Who hears of alerts, and whether they would. */
export function ChannelsPage() {
  const may = useMay();
  const [asked, setAsked] = useState<Asked>();
  const close = () => setAsked(undefined);
  const list = usePages(['channels'], (cursor, signal) =>
    api.get('/v1/alerts/channels', { query: { limit: 100, ...cursor }, signal }),
  );
  const add = may('alerts:write') ? (
    <button type="button" className="primary" onClick={() => setAsked({ kind: 'new' })}>
      New channel
    </button>
  ) : null;
  return (
    <>
      {list.items?.length ? <div className="acts">{add}</div> : null}
      <Listed
        label="Channels"
        head={['Name', 'Type', 'State', 'Where', 'Made', 'Act']}
        list={list}
        empty={
          <Empty title="Nobody hears of alerts">
            <p>A channel is a webhook, a room of Slack or an address of e-mail. Make one, then choose it in a rule.</p>
            {add}
          </Empty>
        }
        row={(channel) => (
          <tr key={channel.id}>
            <td className="wide">{channel.name}</td>
            <td>{channelTypes[channel.type]}</td>
            <td>
              <Status of={channel.enabled ? 'on' : 'off'} />
            </td>
            <td className="wide">{channel.url ?? channel.to?.join(', ')}</td>
            <td>
              <Time at={channel.createdAt} />
            </td>
            <td className="act">
              {may('alerts:write') ? (
                <>
                  <button type="button" className="quiet" onClick={() => setAsked({ kind: 'test', channel })}>
                    Send a test
                  </button>{' '}
                  <button type="button" className="quiet" onClick={() => setAsked({ kind: 'edit', channel })}>
                    Edit
                  </button>{' '}
                  <button type="button" className="quiet danger" onClick={() => setAsked({ kind: 'delete', channel })}>
                    Delete…
                  </button>
                </>
              ) : null}
            </td>
          </tr>
        )}
      />
      {asked?.kind === 'new' ? (
        <ChannelForm onClose={close} onMade={(name, secret) => setAsked({ kind: 'made', name, secret })} />
      ) : null}
      {asked?.kind === 'made' ? (
        <ShownOnce
          title={`The secret of ${asked.name}`}
          about="It signs what the channel is told (Standard Webhooks). It is shown here once."
          secret={asked.secret}
          label="the secret"
          onClose={close}
        />
      ) : null}
      {asked?.kind === 'edit' ? <ChannelForm channel={asked.channel} onClose={close} /> : null}
      {asked?.kind === 'test' ? <TestChannel channel={asked.channel} onClose={close} /> : null}
      {asked?.kind === 'delete' ? <DeleteChannel channel={asked.channel} onClose={close} /> : null}
    </>
  );
}

function DeleteChannel({ channel: { id, name }, onClose }: { channel: Channel; onClose(): void }) {
  const deleting = useAct(() => api.delete('/v1/alerts/channels/{id}', { path: { id } }), onClose);
  return (
    <Confirm
      title={`Delete ${name}`}
      about="No rule tells it any more, and what waits for it is not told."
      act="Delete"
      word={name}
      acting={deleting}
      onClose={onClose}
    />
  );
}
