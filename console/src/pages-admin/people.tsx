import { useState } from 'react';
import { api, type Schemas } from '../api.js';
import { useAct } from '../parts/acting.js';
import { Confirm } from '../parts/confirm.js';
import { Modal } from '../parts/dialog.js';
import { Listed, usePages } from '../parts/listed.js';
import { useMay } from '../parts/may.js';
import { Empty, PageHead } from '../parts/page.js';
import { FormEnd } from '../parts/form-end.js';
import { ProblemNote } from '../parts/problem.js';
import { ShownOnce } from '../parts/shown-once.js';
import { Field, Status, Time } from '../parts/shown.js';
import { GrantFields, grantOf, type Grant } from './grants.js';

type Person = Schemas['Person'];
type Asked =
  | { kind: 'invite' }
  | { kind: 'edit' | 'delete'; person: Person }
  | { kind: 'link'; link: Schemas['PersonLink']; name: string };

const ways = { passkey: 'passkey', password: 'password', sso: 'single sign-on' } as const;

/** Who looks after the account. */
export function PeoplePage() {
  const may = useMay();
  const [asked, setAsked] = useState<Asked>();
  const close = () => setAsked(undefined);
  const list = usePages(['people'], (cursor, signal) =>
    api.get('/v1/people', { query: { limit: 50, ...cursor }, signal }),
  );
  const linking = useAct(
    ({ id }: Person) => api.post('/v1/people/{id}/link', { path: { id } }),
    (link, { name }) => setAsked({ kind: 'link', link, name }),
  );
  return (
    <>
      <PageHead title="People" about="Who looks after this account, and how each signs in.">
        {may('people:write') ? (
          <button type="button" className="primary" onClick={() => setAsked({ kind: 'invite' })}>
            Invite somebody
          </button>
        ) : null}
      </PageHead>
      <ProblemNote error={linking.error} />
      <Listed
        label="People"
        head={['Name', 'Status', 'May', 'Signs in by', 'Last sign-in', 'Act']}
        list={list}
        empty={<Empty title="Nobody is here" />}
        row={(person) => (
          <tr key={person.id}>
            <td>
              {person.name}
              {person.email === undefined ? null : (
                <>
                  <br />
                  <small>{person.email}</small>
                </>
              )}
            </td>
            <td>
              <Status of={person.status} />
            </td>
            <td>{grantOf(person)}</td>
            <td>{person.methods.map((method) => ways[method]).join(', ') || '–'}</td>
            <td>
              <Time at={person.lastSignInAt} />
            </td>
            <td className="act">
              {may('people:write') ? (
                <>
                  <button type="button" className="quiet" onClick={() => linking.mutate(person)}>
                    New link
                  </button>{' '}
                  <button type="button" className="quiet" onClick={() => setAsked({ kind: 'edit', person })}>
                    Edit
                  </button>{' '}
                  <button type="button" className="quiet danger" onClick={() => setAsked({ kind: 'delete', person })}>
                    Delete…
                  </button>
                </>
              ) : null}
            </td>
          </tr>
        )}
      />
      {asked?.kind === 'invite' ? (
        <Invite onClose={close} onInvited={(link, name) => setAsked({ kind: 'link', link, name })} />
      ) : null}
      {asked?.kind === 'link' ? (
        <ShownOnce
          title={`The link for ${asked.name}`}
          about="It works once. Give it to nobody else."
          secret={asked.link.link}
          label="the link"
          done="Done"
          onClose={close}
        >
          <p>
            It ends <Time at={asked.link.expiresAt} />.
          </p>
        </ShownOnce>
      ) : null}
      {asked?.kind === 'edit' ? <EditPerson person={asked.person} onClose={close} /> : null}
      {asked?.kind === 'delete' ? <DeletePerson person={asked.person} onClose={close} /> : null}
    </>
  );
}

const offered = ['owner', 'admin', 'operator', 'auditor'] as const;

type InviteProps = { onClose(): void; onInvited(link: Schemas['PersonLink'], name: string): void };

function Invite({ onClose, onInvited }: InviteProps) {
  const [name, setName] = useState('');
  const [email, setEmail] = useState('');
  const [grant, setGrant] = useState<Grant>({ role: 'operator' });
  const inviting = useAct(
    () =>
      api.post('/v1/people', {
        body: { name: name.trim(), ...(email.trim() === '' ? {} : { email: email.trim() }), ...grant },
      }),
    ({ link, expiresAt }) => onInvited({ link, expiresAt }, name.trim()),
  );
  return (
    <Modal
      title="Invite somebody"
      about="They get a link for one use, and choose how they sign in."
      open
      onClose={onClose}
    >
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          inviting.mutate();
        }}
      >
        <Field label="Name" hint="They sign in with it.">
          <input value={name} onChange={({ target }) => setName(target.value)} required autoComplete="off" />
        </Field>
        <Field label="E-mail">
          <input type="email" value={email} onChange={({ target }) => setEmail(target.value)} autoComplete="off" />
        </Field>
        <GrantFields grant={grant} onChange={setGrant} roles={offered} />
        <FormEnd acting={inviting} act="Invite" onClose={onClose} />
      </form>
    </Modal>
  );
}

function EditPerson({ person, onClose }: { person: Person; onClose(): void }) {
  const [grant, setGrant] = useState<Grant>(
    person.role === undefined ? { permissions: person.permissions } : { role: person.role },
  );
  const [status, setStatus] = useState(person.status);
  const saving = useAct(
    () =>
      api.patch('/v1/people/{id}', {
        path: { id: person.id },
        body: { ...grant, ...(status === 'invited' || status === person.status ? {} : { status }) },
      }),
    onClose,
  );
  return (
    <Modal
      title={person.name}
      about="A change ends or judges their sessions again, on every server."
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
        <GrantFields grant={grant} onChange={setGrant} roles={offered} />
        {person.status === 'invited' ? null : (
          <Field label="Status">
            <select value={status} onChange={({ target }) => setStatus(target.value as Person['status'])}>
              <option value="active">active</option>
              <option value="suspended">suspended: they cannot sign in</option>
            </select>
          </Field>
        )}
        <FormEnd acting={saving} act="Save" onClose={onClose} />
      </form>
    </Modal>
  );
}

function DeletePerson({ person: { id, name }, onClose }: { person: Person; onClose(): void }) {
  const deleting = useAct(() => api.delete('/v1/people/{id}', { path: { id } }), onClose);
  return (
    <Confirm
      title={`Delete ${name}`}
      about="Their sessions and the keys of their command line end at once. The audit keeps their name."
      act="Delete"
      word={name}
      acting={deleting}
      onClose={onClose}
    />
  );
}
