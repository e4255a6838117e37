import { useMutation } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { api, type Schemas } from '../api.js';
import { ProblemNote } from '../parts/problem.js';
import { Field } from '../parts/shown.js';
import { makePasskey } from '../passkeys.js';
import { meQuery, queryClient } from '../queries.js';
import { PasswordSetup } from './welcome-password.js';

/** A link for one use: its token stands after #, which no server ever sees in a log. */
export function WelcomePage() {
  const navigate = useNavigate();
  const [token] = useState(() => location.hash.slice(1));
  const [name, setName] = useState('');
  const [codes, setCodes] = useState<string[]>();
  const opening = useMutation({
    mutationFn: (chosen?: string) =>
      api.post('/v1/sign-in/link', { body: { token, ...(chosen === undefined ? {} : { name: chosen }) } }),
  });
  const enter = async (answer: Schemas['SignedIn']) => {
    // The link is used up: it need not stay in the address, or in the history.
    history.replaceState(history.state, '', location.pathname);
    await queryClient.invalidateQueries({ queryKey: meQuery.queryKey });
    if (answer.recoveryCodes) return setCodes(answer.recoveryCodes);
    await navigate({ to: '/' });
  };

  if (codes) return <RecoveryCodes codes={codes} onDone={() => void navigate({ to: '/' })} />;
  if (opening.data) return <WaysToStart link={opening.data} chosen={name.trim()} onSignedIn={enter} />;
  return (
    <main className="alone">
      <h1>Welcome to Thingward</h1>
      {/^twl_/.test(token) ? (
        <form
          className="stack"
          onSubmit={(event) => {
            event.preventDefault();
            opening.mutate(name.trim() === '' ? undefined : name.trim());
          }}
        >
          <p>This link is for you alone, and works once. Set up how you will sign in.</p>
          <Field label="Your name" hint="Leave it empty if whoever invited you has chosen it.">
            <input value={name} onChange={({ target }) => setName(target.value)} autoComplete="username" />
          </Field>
          <ProblemNote error={opening.error} />
          <button type="submit" className="primary" disabled={opening.isPending}>
            Continue
          </button>
        </form>
      ) : (
        <p>This address has no link in it. Open the whole link that you were given, or ask for a new one.</p>
      )}
    </main>
  );
}

type WaysProps = {
  link: Schemas['OpenedLink'];
  chosen: string;
  onSignedIn(answer: Schemas['SignedIn']): Promise<void>;
};

function WaysToStart({ link, chosen, onSignedIn }: WaysProps) {
  const { account, name, role, passkey, password, providers } = link;
  // The API takes a name only where the link has none.
  const named = name === undefined ? { name: chosen } : {};
  const making = useMutation({
    mutationFn: async () => {
      const response = await makePasskey(passkey.options);
      return api.post('/v1/sign-in/link/passkey', { body: { ...named, label: 'passkey', response } });
    },
    onSuccess: onSignedIn,
  });
  if (name === undefined && chosen === '') return <NameMissing />;
  return (
    <main className="alone">
      <h1>Hello {name ?? chosen}</h1>
      <p>
        You become {role ?? 'a member'} of the account <strong>{account}</strong>. Choose how you sign in.
      </p>
      <section className="stack" aria-labelledby="by-passkey">
        <h2 id="by-passkey">Passkey</h2>
        {passkey.available ? (
          <>
            <p>Your device keeps it, and asks for your finger, face or PIN. There is nothing to remember.</p>
            <ProblemNote error={making.error} />
            <button type="button" className="primary" disabled={making.isPending} onClick={() => making.mutate()}>
              Create a passkey
            </button>
          </>
        ) : (
          <p className="note warn">{passkey.why ?? 'Passkeys are off at this address.'}</p>
        )}
      </section>
      {password.available ? <PasswordSetup totp={password.totp} named={named} onSignedIn={onSignedIn} /> : null}
      {providers.length > 0 ? (
        <section className="stack" aria-labelledby="by-provider">
          <h2 id="by-provider">Single sign-on</h2>
          {providers.map((provider) => (
            <a key={provider.id} className="button" href={`/v1/sign-in/oidc/${provider.id}`}>
              Continue with {provider.name}
            </a>
          ))}
        </section>
      ) : null}
    </main>
  );
}

function NameMissing() {
  return (
    <main className="alone">
      <h1>Choose a name</h1>
      <p>This link makes the first person of the account, so it has no name yet. You sign in with it.</p>
      <button type="button" className="primary" onClick={() => location.reload()}>
        Go back and enter one
      </button>
    </main>
  );
}

/** Recovery codes, which are shown once. */
export function RecoveryCodes({ codes, onDone }: { codes: string[]; onDone(): void }) {
  return (
    <main className="alone">
      <h1>Keep these recovery codes</h1>
      <p>Each stands in once for the app. They are not shown again: print them, or write them down.</p>
      <ul className="codes">
        {codes.map((code) => (
          <li key={code}>
            <code>{code}</code>
          </li>
        ))}
      </ul>
      <button type="button" className="primary" onClick={onDone}>
        I have kept them
      </button>
    </main>
  );
}
