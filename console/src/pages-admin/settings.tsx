import { useQuery } from '@tanstack/react-query';
import { api } from '../api.js';
import { useAct } from '../parts/acting.js';
import { useMay } from '../parts/may.js';
import { PageHead, Pairs } from '../parts/page.js';
import { ProblemNote } from '../parts/problem.js';
import { Section, Skeleton, Status } from '../parts/shown.js';
import { useTell } from '../parts/told.js';
import { Accounts } from './accounts.js';

/** What holds for the whole account, and for the server. */
export function SettingsPage() {
  const may = useMay();
  return (
    <>
      <PageHead title="Settings" />
      {may('people:read') ? <WaysIn /> : null}
      <Server />
      {may('accounts:write') ? <Accounts /> : null}
    </>
  );
}

function WaysIn() {
  const may = useMay();
  const tell = useTell();
  const { data, error } = useQuery({
    queryKey: ['sign-in-settings'],
    queryFn: () => api.get('/v1/sign-in/settings'),
  });
  const saving = useAct(
    (passwords: boolean) => api.patch('/v1/sign-in/settings', { body: { passwords } }),
    ({ passwords }) => tell({ text: passwords ? 'Passwords are on.' : 'Passwords are off.' }),
  );
  return (
    <Section title="Ways in">
      <ProblemNote error={error ?? saving.error} />
      {data === undefined && !error ? <Skeleton lines={1} /> : null}
      {data === undefined ? null : (
        <label className="check">
          <input
            type="checkbox"
            checked={data.passwords}
            disabled={!may('people:write') || saving.isPending}
            onChange={({ target }) => saving.mutate(target.checked)}
          />
          People may sign in with a password and an authenticator app
        </label>
      )}
      <p className="faint">Without it, passkeys and providers are left. Who has neither needs a new link.</p>
    </Section>
  );
}

function Server() {
  const ready = useQuery({ queryKey: ['ready'], queryFn: () => api.get('/readyz') });
  const index = useQuery({ queryKey: ['index'], queryFn: () => api.get('/') });
  return (
    <Section title="This server">
      <ProblemNote error={ready.error ?? index.error} />
      <Pairs
        rows={[
          [
            'State',
            ready.data === undefined ? '–' : <Status key="state" of={ready.data.status === 'ok' ? 'fresh' : 'stale'} />,
          ],
          ['Version', index.data?.version ?? '–'],
          ['Time zone data', ready.data?.zoneData ?? '–'],
        ]}
      />
      <p className="acts">
        <a href="/docs">The API, with every operation</a>
        <a href="/ca/chain.pem" download>
          Chain of the account default
        </a>
        <a href="/.well-known/jwks.json">Keys of tokens</a>
      </p>
    </Section>
  );
}
