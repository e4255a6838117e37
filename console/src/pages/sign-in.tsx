import { useMutation, useQuery } from '@tanstack/react-query';
import { getRouteApi, useNavigate } from '@tanstack/react-router';
import { useState, type SubmitEvent } from 'react';
import { api } from '../api.js';
import { ProblemNote } from '../parts/problem.js';
import { Field } from '../parts/shown.js';
import { showPasskey } from '../passkeys.js';
import { queryClient, waysQuery } from '../queries.js';

const route = getRouteApi('/sign-in');

/** The ways in: a passkey, a password with a second half, a provider. */
export function SignInPage() {
  const { next = '/' } = route.useSearch();
  const navigate = useNavigate();
  const [account, setAccount] = useState('default');
  const [asked, setAsked] = useState('default');
  const ways = useQuery(waysQuery(asked));
  const enter = async () => {
    queryClient.clear();
    await navigate({ href: next });
  };
  const byPasskey = useMutation({
    mutationFn: async () => api.post('/v1/sign-in/passkey', { body: { account, response: await showPasskey() } }),
    onSuccess: enter,
  });
  return (
    <main className="alone">
      <h1>Sign in to Thingward</h1>
      <Field label="Account">
        <input
          value={account}
          onChange={({ target }) => setAccount(target.value)}
          onBlur={() => setAsked(account)}
          autoComplete="organization"
          required
        />
      </Field>
      <ProblemNote error={ways.error} />
      {ways.data?.passkeys.available === false ? (
        <p className="note warn">{ways.data.passkeys.why}</p>
      ) : (
        <button type="button" className="primary" disabled={byPasskey.isPending} onClick={() => byPasskey.mutate()}>
          Sign in with a passkey
        </button>
      )}
      <ProblemNote error={byPasskey.error} />
      {ways.data?.providers.map(({ id, name }) => (
        <a key={id} className="button" href={`/v1/sign-in/oidc/${id}`}>
          Sign in with {name}
        </a>
      ))}
      {ways.data?.passwords === false ? null : <ByPassword account={account} onSignedIn={enter} />}
    </main>
  );
}

function ByPassword({ account, onSignedIn }: { account: string; onSignedIn(): Promise<void> }) {
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const first = useMutation({
    mutationFn: () => api.post('/v1/sign-in/password', { body: { account, name, password } }),
  });
  if (first.data) return <SecondHalf onSignedIn={onSignedIn} />;
  return (
    <details>
      <summary>Password</summary>
      <form className="stack" onSubmit={submitting(() => first.mutate())}>
        <Field label="Name">
          <input value={name} onChange={({ target }) => setName(target.value)} autoComplete="username" required />
        </Field>
        <Field label="Password">
          <input
            type="password"
            value={password}
            onChange={({ target }) => setPassword(target.value)}
            autoComplete="current-password"
            required
          />
        </Field>
        <ProblemNote error={first.error} />
        <button type="submit" disabled={first.isPending}>
          Continue
        </button>
      </form>
    </details>
  );
}

function SecondHalf({ onSignedIn }: { onSignedIn(): Promise<void> }) {
  const [half, setHalf] = useState<'totp' | 'recovery'>('totp');
  const [code, setCode] = useState('');
  const second = useMutation({
    mutationFn: () =>
      half === 'totp'
        ? api.post('/v1/sign-in/totp', { body: { code } })
        : api.post('/v1/sign-in/recovery', { body: { code } }),
    onSuccess: onSignedIn,
  });
  const isTotp = half === 'totp';
  return (
    <form className="stack" onSubmit={submitting(() => second.mutate())}>
      <Field label={isTotp ? 'Code of the authenticator app' : 'Recovery code'}>
        <input
          value={code}
          onChange={({ target }) => setCode(target.value)}
          inputMode={isTotp ? 'numeric' : 'text'}
          autoComplete={isTotp ? 'one-time-code' : 'off'}
          required
        />
      </Field>
      <ProblemNote error={second.error} />
      <button type="submit" className="primary" disabled={second.isPending}>
        Sign in
      </button>
      <button type="button" onClick={() => setHalf(isTotp ? 'recovery' : 'totp')}>
        {isTotp ? 'Use a recovery code' : 'Use the app'}
      </button>
    </form>
  );
}

const submitting = (work: () => void) => (event: SubmitEvent<HTMLFormElement>) => {
  event.preventDefault();
  work();
};
