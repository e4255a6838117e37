import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useState } from 'react';
import { api, background, type Schemas } from '../api.js';
import { Receipts } from '../pages/receipts.js';
import { useAct } from '../parts/acting.js';
import { Confirm } from '../parts/confirm.js';
import { Listed, usePages } from '../parts/listed.js';
import { useMay } from '../parts/may.js';
import { Empty, PageHead, Pairs } from '../parts/page.js';
import { ProblemNote } from '../parts/problem.js';
import { Section, Skeleton, Status, Time } from '../parts/shown.js';
import { edgesQuery } from '../queries.js';
import { InUse, lagOf, lagQuery } from './edges.js';

const route = getRouteApi('/signed-in/edges/$id');

/** One edge: how far it has come, and the sessions that it holds. */
export function EdgePage() {
  const { id } = route.useParams();
  const may = useMay();
  const edges = useQuery(edgesQuery);
  const lag = useQuery({ ...lagQuery, enabled: may('metrics:read') });
  const edge = edges.data?.items.find((each) => each.id === id);
  return (
    <>
      <PageHead title={edge?.name ?? 'Edge'} back={['Edges', '/edges']} />
      <ProblemNote error={edges.error} />
      {edges.isPending ? <Skeleton /> : null}
      {edge === undefined ? null : (
        <Section title="How far it has come">
          <Pairs
            rows={[
              ['State', <Status key="state" of={edge.stale ? 'stale' : 'fresh'} />],
              ['Behind by', lagOf(edge, lag.data)],
              ['Mode', edge.mode ?? '–'],
              ['Confirmed', <Time key="confirmed" at={edge.confirmedAt} />],
              ['Registered', <Time key="created" at={edge.createdAt} />],
              ['Run', <code key="run">{edge.incarnation ?? '–'}</code>],
            ]}
          />
        </Section>
      )}
      {may('things:read') ? <Machine id={id} /> : null}
      <SessionList of={{ proxy: id }} label="Sessions at this edge" />
    </>
  );
}

const gigabytes = (octets: number): string => `${(octets / 1e9).toFixed(1)} GB`;

/** The machine that an edge runs on; nothing where the edge has said nothing of it. */
function Machine({ id }: { id: string }) {
  const site = useQuery({
    queryKey: ['edges', 'site', id],
    queryFn: () => background.get('/v1/sites/{id}', { path: { id } }),
  }).data;
  if (site === undefined) return null;
  const { capacity, load } = site;
  return (
    <Section title="Its machine">
      <Pairs
        rows={[
          ['In use', <InUse key="use" site={site} />],
          ['Processors', capacity.cores.toLocaleString()],
          ['Memory', `${gigabytes(load.memory)} of ${gigabytes(capacity.memory)}`],
          ['Disk', `${gigabytes(load.disk)} of ${gigabytes(capacity.disk)}`],
          ['Messages a second', load.messages.toFixed(1)],
          ['Said', <Time key="said" at={site.reportedAt} />],
        ]}
      />
    </Section>
  );
}

type Session = Schemas['Session'];

/** Sessions that edges hold, each with what ends it. Afterwards edges say when they have ended it. */
export function SessionList({ of, label }: { of: { proxy?: string; thing?: string }; label: string }) {
  const may = useMay();
  const [kicked, setKicked] = useState<Session>();
  const [position, setPosition] = useState<number>();
  const list = usePages(['sessions', of], (cursor) =>
    background.get('/v1/sessions', { query: { limit: 50, ...of, ...cursor } }),
  );
  return (
    <>
      <h2>{label}</h2>
      {position === undefined ? null : <Receipts key={position} position={position} />}
      <Listed
        label={label}
        head={['Thing', 'Edge', 'Protocol', 'Client id', 'Address', 'Since', 'Act']}
        list={list}
        empty={
          <Empty title="No session is reported">
            <p>An edge that holds sessions says so here a moment after a device connects.</p>
          </Empty>
        }
        row={(session) => (
          <tr key={`${session.proxy} ${session.id}`}>
            <td>
              <Link to="/things/$name" params={{ name: session.thingName }}>
                {session.thingName}
              </Link>
            </td>
            <td>{session.proxyName}</td>
            <td>{session.protocol}</td>
            <td className="long">{session.clientId ?? '–'}</td>
            <td>{session.sourceIp ?? '–'}</td>
            <td>
              <Time at={session.connectedAt} />
            </td>
            <td className="act">
              {may('certificates:revoke') ? (
                <button type="button" className="quiet danger" onClick={() => setKicked(session)}>
                  End…
                </button>
              ) : null}
            </td>
          </tr>
        )}
      />
      {kicked === undefined ? null : (
        <EndSession session={kicked} onEnded={setPosition} onClose={() => setKicked(undefined)} />
      )}
    </>
  );
}

type EndProps = { session: Session; onEnded(position: number): void; onClose(): void };

function EndSession({ session: { id, thingName, proxyName }, onEnded, onClose }: EndProps) {
  const ending = useAct(
    () => api.delete('/v1/sessions/{id}', { path: { id } }),
    (ended) => {
      onEnded(ended.position);
      onClose();
    },
  );
  return (
    <Confirm
      title={`End the session of ${thingName}`}
      about={`${proxyName} closes the connection. The device may come back: suspend or revoke the thing to keep it out.`}
      act="End the session"
      acting={ending}
      onClose={onClose}
    />
  );
}
