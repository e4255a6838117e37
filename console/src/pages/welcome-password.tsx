import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { api, type Schemas } from '../api.js';
import { ProblemNote } from '../parts/problem.js';
import { QrCode } from '../parts/qr.js';
import { Field } from '../parts/shown.js';

type Props = {
  totp: Schemas['TotpSetup'];
  named: { name?: string };
  onSignedIn(answer: Schemas['SignedIn']): Promise<void>;
};

/** A password, which never counts alone: an authenticator app shows a code beside it. */
export function PasswordSetup({ totp, named, onSignedIn }: Props) {
  const [password, setPassword] = useState('');
  const [code, setCode] = useState('');
  const accepting = useMutation({
    mutationFn: () => api.post('/v1/sign-in/link/password', { body: { ...named, password, code } }),
    onSuccess: onSignedIn,
  });
  return (
    <details>
      <summary>Password with an authenticator app</summary>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          accepting.mutate();
        }}
      >
        <p>Scan this with an authenticator app, or type the secret into it.</p>
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
            pattern="[0-9]{6}"
            required
          />
        </Field>
        <ProblemNote error={accepting.error} />
        <button type="submit" disabled={accepting.isPending}>
          Sign in with this
        </button>
      </form>
    </details>
  );
}
