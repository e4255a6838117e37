import { useState } from 'react';
import { api, type Schemas } from '../api.js';
import { useAct } from '../parts/acting.js';
import { Confirm } from '../parts/confirm.js';
import { Modal } from '../parts/dialog.js';
import { Listed, usePages } from '../parts/listed.js';
import { FormEnd } from '../parts/form-end.js';
import { ProblemNote } from '../parts/problem.js';
import { ShownOnce } from '../parts/shown-once.js';
import { Field, Status, Time } from '../parts/shown.js';

type Account = Schemas['Account'];
type Asked =
  { kind: 'new' } | { kind: 'grace' | 'suspend' | 'resume'; account: Account } | { kind: 'made'; key: string };

/** The tenants of this server, which only the owner of `default` sees. */
export function Accounts() {
  const [asked, setAsked] = useState<Asked>();
  const close = () => setAsked(undefined);
  const list = usePages(['accounts'], (cursor, signal) =>
    api.get('/v1/accounts', { query: { limit: 50, ...cursor }, signal }),
  );
  return (
    <>
      <div className="page-head">
        <h2>Accounts</h2>
        <button type="button" onClick={() => setAsked({ kind: 'new' })}>
          New account
        </button>
      </div>
      <Listed
        label="Accounts"
        head={['Name', 'Status', 'Time zone', 'Client ids', 'Grace', 'Created', 'Act']}
        list={list}
        empty={null}
        row={(account) => (
          <tr key={account.name}>
            <td>{account.name}</td>
            <td>
              <Status of={account.status} />
            </td>
            <td>{account.timeZone}</td>
            <td>{account.clientIdForm}</td>
            <td>{account.renewGraceSeconds / 86_400} days</td>
            <td>
              <Time at={account.createdAt} />
            </td>
            <td className="act">
              <button type="button" className="quiet" onClick={() => setAsked({ kind: 'grace', account })}>
                Edit
              </button>{' '}
              {account.status === 'active' ? (
                <button type="button" className="quiet danger" onClick={() => setAsked({ kind: 'suspend', account })}>
                  Suspend…
                </button>
              ) : (
                <button type="button" className="quiet" onClick={() => setAsked({ kind: 'resume', account })}>
                  Resume…
                </button>
              )}
            </td>
          </tr>
        )}
      />
      {asked?.kind === 'new' ? <NewAccount onClose={close} onMade={(key) => setAsked({ kind: 'made', key })} /> : null}
      {asked?.kind === 'made' ? (
        <ShownOnce
          title="The owner key"
          about="It is shown here once. Whoever has it owns the account."
          secret={asked.key}
          label="the owner key"
          onClose={close}
        />
      ) : null}
      {asked?.kind === 'grace' ? <Grace account={asked.account} onClose={close} /> : null}
      {asked?.kind === 'suspend' || asked?.kind === 'resume' ? (
        <Turn account={asked.account} act={asked.kind} onClose={close} />
      ) : null}
    </>
  );
}

function NewAccount({ onClose, onMade }: { onClose(): void; onMade(key: string): void }) {
  const [name, setName] = useState('');
  const [timeZone, setTimeZone] = useState('UTC');
  const creating = useAct(
    () => api.post('/v1/accounts', { body: { name: name.trim(), timeZone } }),
    ({ ownerKey }) => onMade(ownerKey),
  );
  return (
    <Modal title="New account" about="A tenant with its own authorities, things and people." open onClose={onClose}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          creating.mutate();
        }}
      >
        <Field label="Name">
          <input value={name} onChange={({ target }) => setName(target.value)} required spellCheck={false} />
        </Field>
        <Field label="Time zone" hint="The hours of its built-in policies are in it.">
          <select value={timeZone} onChange={({ target }) => setTimeZone(target.value)}>
            {['UTC', ...Intl.supportedValuesOf('timeZone')].map((zone) => (
              <option key={zone}>{zone}</option>
            ))}
          </select>
        </Field>
        <FormEnd acting={creating} act="Create" onClose={onClose} />
      </form>
    </Modal>
  );
}

function Grace({ account: { name, renewGraceSeconds }, onClose }: { account: Account; onClose(): void }) {
  const [days, setDays] = useState(String(renewGraceSeconds / 86_400));
  const saving = useAct(
    () =>
      api.patch('/v1/accounts/{name}', {
        path: { name },
        body: { renewGraceSeconds: Math.round(Number(days) * 86_400) },
      }),
    onClose,
  );
  return (
    <Modal
      title={name}
      about="For how long its devices may renew after their certificates ended."
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
        <Field label="Days">
          <input
            type="number"
            min="0"
            step="any"
            value={days}
            onChange={({ target }) => setDays(target.value)}
            required
          />
        </Field>
        <ProblemNote error={saving.error} />
        <div className="acts">
          <button type="submit" className="primary" disabled={saving.isPending}>
            Save
          </button>
        </div>
      </form>
    </Modal>
  );
}

type TurnProps = { account: Account; act: 'suspend' | 'resume'; onClose(): void };

function Turn({ account: { name }, act, onClose }: TurnProps) {
  const turning = useAct(
    () =>
      act === 'suspend'
        ? api.post('/v1/accounts/{name}/suspend', { path: { name } })
        : api.post('/v1/accounts/{name}/resume', { path: { name } }),
    onClose,
  );
  return (
    <Confirm
      title={act === 'suspend' ? `Suspend ${name}` : `Resume ${name}`}
      about={
        act === 'suspend'
          ? 'Every device, key and person of it is refused at once, until it is resumed.'
          : 'Its devices, keys and people are judged as before.'
      }
      act={act === 'suspend' ? 'Suspend' : 'Resume'}
      {...(act === 'suspend' ? { word: name } : {})}
      acting={turning}
      onClose={onClose}
    />
  );
}
