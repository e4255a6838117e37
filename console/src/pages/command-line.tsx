import { useMutation, useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { api } from '../api.js';
import { ProblemNote } from '../parts/problem.js';
import { useStepUp } from '../parts/step-up.js';
import { meQuery } from '../queries.js';

const route = getRouteApi('/signed-in/command-line');

/** Somebody gives the command line of this machine a key, or refuses. */
export function CommandLinePage() {
  const { port, state, challenge } = route.useSearch();
  const { data: me, error } = useQuery(meQuery);
  const withStepUp = useStepUp();
  const giving = useMutation({
    mutationFn: () => withStepUp(() => api.post('/v1/me/command-line', { body: { codeChallenge: challenge! } })),
    onSuccess: ({ code }) => goBack({ code }),
  });
  // Only to this machine: the code is for nobody else.
  const goBack = (answer: Record<string, string>) =>
    location.assign(`http://127.0.0.1:${port}/callback?${new URLSearchParams({ state: state!, ...answer })}`);
  if (port === undefined)
    return (
      <>
        <h1>Log in on the command line</h1>
        <p>
          This page belongs to a login on the command line. Run thingward login there, and open the page that it prints.
        </p>
      </>
    );
  return (
    <>
      <h1>Give the command line a key?</h1>
      <p>
        thingward login, on this machine, asks to do for 8 hours what you may do as {me?.name} in the account{' '}
        {me?.account}. Confirm only if you have just started it.
      </p>
      <ProblemNote error={error ?? giving.error} />
      <div className="row">
        <button type="button" className="primary" disabled={giving.isPending} onClick={() => giving.mutate()}>
          Give it a key
        </button>
        <button type="button" onClick={() => goBack({ error: 'access_denied' })}>
          Refuse
        </button>
      </div>
    </>
  );
}
