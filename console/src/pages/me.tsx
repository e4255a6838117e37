import { useMutation, useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { api } from '../api.js';
import { PageHead } from '../parts/page.js';
import { ProblemNote } from '../parts/problem.js';
import { Section, Skeleton, Table, Time } from '../parts/shown.js';
import { useStepUp } from '../parts/step-up.js';
import { makePasskey } from '../passkeys.js';
import { meQuery, queryClient } from '../queries.js';
import { MyPassword } from './my-password.js';

/** Who you are here, where you are signed in, and what you sign in with. */
export function MePage() {
  const { data: me, error } = useQuery(meQuery);
  const navigate = useNavigate();
  const leaving = useMutation({
    mutationFn: () => api.delete('/v1/me/sessions/{id}', { path: { id: 'current' } }),
    onSuccess: async () => {
      await navigate({ to: '/sign-in' });
      queryClient.clear();
    },
  });
  return (
    <>
      <PageHead title={me?.name ?? 'You'} />
      <ProblemNote error={error ?? leaving.error} />
      <p>
        {me?.role ?? 'Permissions by list'} in the account {me?.account}
      </p>
      <button type="button" disabled={leaving.isPending} onClick={() => leaving.mutate()}>
        Sign out
      </button>
      <MySessions />
      <Passkeys />
      <MyPassword />
    </>
  );
}

function MySessions() {
  const { data, error } = useQuery({ queryKey: ['my-sessions'], queryFn: () => api.get('/v1/me/sessions') });
  const ending = useMutation({
    mutationFn: (id: string) => api.delete('/v1/me/sessions/{id}', { path: { id } }),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: ['my-sessions'] }),
  });
  return (
    <Section title="Where you are signed in">
      <ProblemNote error={error ?? ending.error} />
      {data === undefined && !error ? <Skeleton /> : null}
      <Table label="Your sessions" head={['Browser', 'Address', 'Since', 'Last used', 'Act']}>
        {data?.items.map(({ id, userAgent, sourceIp, createdAt, lastSeenAt, current }) => (
          <tr key={id}>
            <td className="wide">{userAgent ?? 'unknown'}</td>
            <td>{sourceIp ?? '–'}</td>
            <td>
              <Time at={createdAt} />
            </td>
            <td>
              <Time at={lastSeenAt} />
            </td>
            <td>
              {current ? (
                'this one'
              ) : (
                <button type="button" onClick={() => ending.mutate(id)}>
                  End
                </button>
              )}
            </td>
          </tr>
        ))}
      </Table>
    </Section>
  );
}

function Passkeys() {
  const { data: me } = useQuery(meQuery);
  const withStepUp = useStepUp();
  const refresh = () => queryClient.invalidateQueries();
  const adding = useMutation({
    mutationFn: async () => {
      const { passkey } = await withStepUp(() => api.post('/v1/me/setup'));
      if (passkey.options === undefined) throw new Error(passkey.why ?? 'Passkeys are off at this address.');
      const response = await makePasskey(passkey.options);
      return withStepUp(() => api.post('/v1/me/passkeys', { body: { name: 'passkey', response } }));
    },
    onSuccess: refresh,
  });
  const removing = useMutation({
    mutationFn: (id: string) => withStepUp(() => api.delete('/v1/me/passkeys/{id}', { path: { id } })),
    onSuccess: refresh,
  });
  return (
    <Section title="Passkeys">
      <ProblemNote error={adding.error ?? removing.error} />
      {me?.passkeys.length === 0 ? <p>You have none yet.</p> : null}
      {me && me.passkeys.length > 0 ? (
        <Table label="Your passkeys" head={['Name', 'Added', 'Last used', 'Act']}>
          {me.passkeys.map(({ id, name, createdAt, lastUsedAt }) => (
            <tr key={id}>
              <td>{name}</td>
              <td>
                <Time at={createdAt} />
              </td>
              <td>
                <Time at={lastUsedAt} />
              </td>
              <td>
                <button type="button" onClick={() => removing.mutate(id)}>
                  Remove
                </button>
              </td>
            </tr>
          ))}
        </Table>
      ) : null}
      <button type="button" disabled={adding.isPending} onClick={() => adding.mutate()}>
        Add a passkey
      </button>
    </Section>
  );
}
