import { useQuery } from '@tanstack/react-query';
import { createContext, use, useCallback, useState, type ReactNode } from 'react';
import { api, isProblem } from '../api.js';
import { showPasskey } from '../passkeys.js';
import { meQuery, waysQuery } from '../queries.js';
import { Modal } from './dialog.js';
import { ProblemNote } from './problem.js';
import { Field } from './shown.js';

type WithStepUp = <T>(work: () => Promise<T>) => Promise<T>;
type Waiting = { go(): void; stop(): void };

const StepUp = createContext<WithStepUp>((work) => work());

/** What runs work, and when the API wants a fresh factor asks for one and runs it again. */
export const useStepUp = (): WithStepUp => use(StepUp);

/** Holds the dialog that asks for a fresh factor. */
export function StepUpProvider({ children }: { children: ReactNode }) {
  const [waiting, setWaiting] = useState<Waiting>();
  const withStepUp = useCallback<WithStepUp>(async (work) => {
    try {
      return await work();
    } catch (error) {
      if (!isProblem(error, 'step-up-required')) throw error;
      const isConfirmed = await new Promise<boolean>((resolve) =>
        setWaiting({ go: () => resolve(true), stop: () => resolve(false) }),
      );
      setWaiting(undefined);
      if (!isConfirmed) throw error;
      return work();
    }
  }, []);
  return (
    <StepUp value={withStepUp}>
      {children}
      <Modal
        title="Show that it is you"
        about="What you are about to do needs a fresh factor. It then counts for five minutes."
        open={waiting !== undefined}
        onClose={() => waiting?.stop()}
      >
        {waiting === undefined ? null : <Factors onDone={waiting.go} onCancel={waiting.stop} />}
      </Modal>
    </StepUp>
  );
}

function Factors({ onDone, onCancel }: { onDone(): void; onCancel(): void }) {
  const { data: me } = useQuery(meQuery);
  const ways = useQuery({ ...waysQuery(me?.account ?? 'default'), enabled: me?.methods.includes('sso') ?? false });
  const [code, setCode] = useState('');
  const [error, setError] = useState<unknown>();
  const attempt = async (work: () => Promise<unknown>) => {
    setError(undefined);
    await work().then(onDone, setError);
  };
  const byPasskey = async () => api.post('/v1/me/step-up', { body: { response: await showPasskey() } });
  return (
    <div className="stack">
      <ProblemNote error={error} />
      {me?.methods.includes('passkey') ? (
        <button type="button" className="primary" onClick={() => void attempt(byPasskey)}>
          Use a passkey
        </button>
      ) : null}
      {me?.methods.includes('password') ? (
        <form
          className="stack"
          onSubmit={(event) => {
            event.preventDefault();
            void attempt(() => api.post('/v1/me/step-up', { body: { code } }));
          }}
        >
          <Field label="Code of the authenticator app">
            <input
              value={code}
              onChange={({ target }) => setCode(target.value)}
              inputMode="numeric"
              autoComplete="one-time-code"
              required
            />
          </Field>
          <button type="submit">Confirm</button>
        </form>
      ) : null}
      {ways.data?.providers.map(({ id, name }) => (
        <a key={id} className="button" href={`/v1/sign-in/oidc/${id}?stepUp=true`}>
          Confirm with {name}
        </a>
      ))}
      <button type="button" onClick={onCancel}>
        Cancel
      </button>
    </div>
  );
}
