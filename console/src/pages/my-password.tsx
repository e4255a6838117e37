import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../api.js';
import { useAct } from '../parts/acting.js';
import { Confirm } from '../parts/confirm.js';
import { Modal } from '../parts/dialog.js';
import { ProblemNote } from '../parts/problem.js';
import { QrCode } from '../parts/qr.js';
import { Field, Section, Skeleton } from '../parts/shown.js';
import { meQuery } from '../queries.js';

type Asked = { kind: 'set' | 'remove' } | { kind: 'codes'; codes: string[] };

/** The password of whoever is signed in, with the app and the recovery codes that belong to it. */
export function MyPassword() {
  const { data: me } = useQuery(meQuery);
  const [asked, setAsked] = useState<Asked>();
  const close = () => setAsked(undefined);
  const show = ({ recoveryCodes }: { recoveryCodes: string[] }) => setAsked({ kind: 'codes', codes: recoveryCodes });
  const renewing = useAct(() => api.post('/v1/me/recovery-codes'), show);
  const removing = useAct(() => api.delete('/v1/me/password'), close);
  const has = me?.methods.includes('password') ?? false;
  return (
    <Section title="Password with an authenticator app">
      <p>
        {has
          ? `You have one, and ${me?.recoveryCodesLeft ?? 0} recovery codes are left.`
          : 'You have none. A passkey is easier, and harder to steal.'}
      </p>
      <ProblemNote error={renewing.error} />
      <div className="acts">
        <button type="button" onClick={() => setAsked({ kind: 'set' })}>
          {has ? 'Change' : 'Set a password'}
        </button>
        {has ? (
          <>
            <button type="button" disabled={renewing.isPending} onClick={() => renewing.mutate()}>
              New recovery codes
            </button>
            <button type="button" className="danger" onClick={() => setAsked({ kind: 'remove' })}>
              Remove…
            </button>
          </>
        ) : null}
      </div>
      {asked?.kind === 'set' ? <SetPassword onClose={close} onSet={show} /> : null}
      {asked?.kind === 'codes' ? <Codes codes={asked.codes} onClose={close} /> : null}
      {asked?.kind === 'remove' ? (
        <Confirm
          title="Remove your password"
          about="You sign in by your other ways from now on. The last way in cannot be removed."
          act="Remove"
          acting={removing}
          onClose={close}
        />
      ) : null}
    </Section>
  );
}

type SetProps = { onClose(): void; onSet(answer: { recoveryCodes: string[] }): void };

function SetPassword({ onClose, onSet }: SetProps) {
  const [password, setPassword] = useState('');
  const [code, setCode] = useState('');
  const preparing = useAct(() => api.post('/v1/me/setup'));
  const setting = useAct(() => api.put('/v1/me/password', { body: { password, code } }), onSet);
  const totp = preparing.data?.totp;
  return (
    <Modal
      title="Your password"
      about="An app shows a code beside it: a password never counts alone."
      open
      onClose={onClose}
    >
      {totp === undefined ? (
        <div className="stack">
          <ProblemNote error={preparing.error} />
          {preparing.isPending ? <Skeleton /> : null}
          <button type="button" className="primary" disabled={preparing.isPending} onClick={() => preparing.mutate()}>
            Begin
          </button>
        </div>
      ) : (
        <form
          className="stack"
          onSubmit={(event) => {
            event.preventDefault();
            setting.mutate();
          }}
        >
          <QrCode text={totp.uri} label="QR code of the secret for the authenticator app" />
          <p>
            Secret: <code className="long">{totp.secret}</code>
          </p>
          <Field label="New password" hint="At least 12 characters; a sentence is best.">
            <input
              type="password"
              value={password}
              onChange={({ target }) => setPassword(target.value)}
              autoComplete="new-password"
              minLength={12}
              required
            />
          </Field>
          <Field label="Code that the app shows">
            <input
              value={code}
              onChange={({ target }) => setCode(target.value)}
              inputMode="numeric"
              autoComplete="one-time-code"
              required
            />
          </Field>
          <ProblemNote error={setting.error} />
          <button type="submit" className="primary" disabled={setting.isPending}>
            Set the password
          </button>
        </form>
      )}
    </Modal>
  );
}

function Codes({ codes, onClose }: { codes: string[]; onClose(): void }) {
  return (
    <Modal
      title="Your recovery codes"
      about="Each stands in once for the app. They are shown once."
      open
      onClose={onClose}
    >
      <ul className="codes">
        {codes.map((code) => (
          <li key={code}>
            <code>{code}</code>
          </li>
        ))}
      </ul>
      <button type="button" className="primary" onClick={onClose}>
        I have kept them
      </button>
    </Modal>
  );
}
