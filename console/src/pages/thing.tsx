import { useMutation, useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useState } from 'react';
import { api, type Schemas } from '../api.js';
import { PageHead, Pairs } from '../parts/page.js';
import { ProblemNote } from '../parts/problem.js';
import { Section, Skeleton, Status, Table, Time } from '../parts/shown.js';
import { useStepUp } from '../parts/step-up.js';
import { queryClient } from '../queries.js';
import { Receipts } from './receipts.js';
import { RevokeDialog } from './revoke.js';

const route = getRouteApi('/signed-in/things/$name');

type Thing = Schemas['ThingWithSessions'];
type Outcome = Schemas['ThingOutcome'];

/** One thing: what it is, what it holds, what it does now, and who did what to it. */
export function ThingPage() {
  const { name } = route.useParams();
  const thing = useQuery({
    queryKey: ['thing', name],
    queryFn: () => api.get('/v1/things/{name}', { path: { name } }),
  });
  const [outcome, setOutcome] = useState<Outcome>();
  const settle = (done: Outcome) => {
    setOutcome(done);
    void queryClient.invalidateQueries();
  };
  return (
    <>
      <PageHead title={name} back={['Things', '/things']} />
      <ProblemNote error={thing.error} />
      {thing.isPending ? <Skeleton lines={6} /> : null}
      {thing.data ? <Acts thing={thing.data} onDone={settle} /> : null}
      {outcome?.position === undefined ? null : <Receipts key={outcome.position} position={outcome.position} />}
      {thing.data ? <Identity thing={thing.data} /> : null}
      <Certificates name={name} />
      {thing.data ? <Sessions sessions={thing.data.sessions} /> : null}
      <Audit name={name} />
    </>
  );
}

function Acts({ thing, onDone }: { thing: Thing; onDone(outcome: Outcome): void }) {
  const { name, status } = thing;
  const withStepUp = useStepUp();
  const [isAsking, setAsking] = useState(false);
  const acting = useMutation({
    mutationFn: (act: 'suspend' | 'resume') =>
      withStepUp(() =>
        act === 'suspend'
          ? api.post('/v1/things/{name}/suspend', { path: { name } })
          : api.post('/v1/things/{name}/resume', { path: { name } }),
      ),
    onSuccess: onDone,
  });
  const isLive = status === 'active' || status === 'suspended';
  return (
    <>
      <div className="acts">
        <Status of={status} />
        {status === 'active' ? (
          <button type="button" disabled={acting.isPending} onClick={() => acting.mutate('suspend')}>
            Suspend
          </button>
        ) : null}
        {status === 'suspended' ? (
          <button type="button" disabled={acting.isPending} onClick={() => acting.mutate('resume')}>
            Resume
          </button>
        ) : null}
        {isLive ? (
          <button type="button" className="danger" onClick={() => setAsking(true)}>
            Revoke…
          </button>
        ) : null}
      </div>
      <ProblemNote error={acting.error} />
      {isAsking ? (
        <RevokeDialog
          thing={thing}
          onClose={() => setAsking(false)}
          onRevoked={(outcome) => {
            setAsking(false);
            onDone(outcome);
          }}
        />
      ) : null}
    </>
  );
}

function Identity({ thing }: { thing: Thing }) {
  const { id, account, thingType, segment, policies, enrollment, createdAt, lastSeenAt, attributes } = thing;
  const rows: [string, React.ReactNode][] = [
    ['Id', <code key="id">{id}</code>],
    ['Account', account],
    ['Type', thingType ?? '–'],
    ['Segment', segment ?? '–'],
    ['Policies', policies.join(', ') || '–'],
    ['Enrollment', <code key="enrollment">{enrollment}</code>],
    ['Created', <Time key="created" at={createdAt} />],
    ['Last seen', <Time key="seen" at={lastSeenAt} />],
  ];
  const held = Object.entries(attributes);
  return (
    <>
      <Section title="Identity">
        <Pairs rows={rows} />
      </Section>
      <Section title="Attributes">
        {held.length === 0 ? <p>It has no attributes.</p> : <Pairs rows={held.map(([k, v]) => [k, String(v)])} />}
      </Section>
    </>
  );
}

function Certificates({ name }: { name: string }) {
  const { data, error } = useQuery({
    queryKey: ['certificates', name],
    queryFn: () => api.get('/v1/certificates', { query: { thing: name, limit: 50 } }),
  });
  return (
    <Section title="Certificates">
      <ProblemNote error={error} />
      {data === undefined && !error ? <Skeleton /> : null}
      {data?.items.length === 0 ? <p>It has no certificate.</p> : null}
      {data && data.items.length > 0 ? (
        <Table label="Certificates" head={['Serial number', 'Status', 'Valid from', 'Until', 'Revoked', 'Reason']}>
          {data.items.map(({ serialNumber, status, notBefore, notAfter, revokedAt, reason }) => (
            <tr key={serialNumber}>
              <td>
                <code>{serialNumber}</code>
              </td>
              <td>
                <Status of={status} />
              </td>
              <td>
                <Time at={notBefore} />
              </td>
              <td>
                <Time at={notAfter} />
              </td>
              <td>{revokedAt === undefined ? '–' : <Time at={revokedAt} />}</td>
              <td>{reason ?? '–'}</td>
            </tr>
          ))}
        </Table>
      ) : null}
    </Section>
  );
}

function Sessions({ sessions }: { sessions: Thing['sessions'] }) {
  return (
    <Section title="Live sessions">
      {sessions.length === 0 ? (
        <p>No edge reports a session of it.</p>
      ) : (
        <Table label="Live sessions" head={['Edge', 'Protocol', 'Client id', 'Address', 'Since']}>
          {sessions.map(({ id, proxyName, protocol, clientId, sourceIp, connectedAt }) => (
            <tr key={id}>
              <td>{proxyName}</td>
              <td>{protocol}</td>
              <td>{clientId ?? '–'}</td>
              <td>{sourceIp ?? '–'}</td>
              <td>
                <Time at={connectedAt} />
              </td>
            </tr>
          ))}
        </Table>
      )}
    </Section>
  );
}

function Audit({ name }: { name: string }) {
  const { data, error } = useQuery({
    queryKey: ['audit', name],
    queryFn: () => api.get('/v1/audit', { query: { target: `thing:${name}`, limit: 20 } }),
  });
  return (
    <Section title="Audit">
      <ProblemNote error={error} />
      {data === undefined && !error ? <Skeleton /> : null}
      {data?.items.length === 0 ? <p>Nobody did anything to it yet.</p> : null}
      {data && data.items.length > 0 ? (
        <Table label="Audit" head={['When', 'Who', 'What', 'From']}>
          {data.items.map(({ id, at, actor, action, sourceIp }) => (
            <tr key={id}>
              <td>
                <Time at={at} />
              </td>
              <td>{actor}</td>
              <td>{action}</td>
              <td>{sourceIp ?? '–'}</td>
            </tr>
          ))}
        </Table>
      ) : null}
    </Section>
  );
}
