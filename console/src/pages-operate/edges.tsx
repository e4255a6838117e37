import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { api, background, type Schemas } from '../api.js';
import { useAct } from '../parts/acting.js';
import { Confirm } from '../parts/confirm.js';
import { Copy } from '../parts/copy.js';
import { Modal } from '../parts/dialog.js';
import { Listed, usePages } from '../parts/listed.js';
import { useMay } from '../parts/may.js';
import { Empty, PageHead } from '../parts/page.js';
import { FormEnd } from '../parts/form-end.js';
import { Field, Status, Time } from '../parts/shown.js';

type Edge = Schemas['Proxy'];
type Site = Schemas['Site'];

/** How far edges are behind, as the figures of the last minutes have it. */
export const lagQuery = {
  queryKey: ['metrics', 'edges.lag', 'now'],
  queryFn: () => background.get('/v1/metrics', { query: { name: 'edges.lag', step: 60 } }),
} as const;

/** The machines of the first edges by their ids. */
export const sitesQuery = {
  queryKey: ['edges', 'sites'],
  queryFn: () => background.get('/v1/sites', { query: { limit: 1000 } }),
} as const;

/** The edges: how far behind each is, and whether every session at it goes by what it knows. */
export function EdgesPage() {
  const may = useMay();
  const lag = useQuery({ ...lagQuery, enabled: may('metrics:read') });
  const sites = useQuery({ ...sitesQuery, enabled: may('things:read') });
  const siteOf = (id: string) => sites.data?.items.find((site) => site.id === id);
  const [isAdding, setAdding] = useState(false);
  const [leaving, setLeaving] = useState<Edge>();
  const list = usePages(['edges', 'all'], (cursor) =>
    background.get('/v1/proxies', { query: { limit: 100, ...cursor } }),
  );
  const add = may('proxies:write') ? (
    <button type="button" className="primary" onClick={() => setAdding(true)}>
      Register an edge
    </button>
  ) : null;
  return (
    <>
      <PageHead title="Edges" about="Proxies and brokers that decide near the devices. Each says how far it has come.">
        {add}
      </PageHead>
      <Listed
        label="Edges"
        head={['Name', 'State', 'Mode', 'Behind by', 'Enforces', 'In use', 'Confirmed', 'Act']}
        list={list}
        empty={
          <Empty title="No edge follows yet">
            <p>An edge registers itself when it starts. Make it a key with the role edge, then start it:</p>
            <Copy text="thingward edge --config edge.yaml" label="the command" />
          </Empty>
        }
        row={(edge) => (
          <tr key={edge.id}>
            <td>
              <Link to="/edges/$id" params={{ id: edge.id }}>
                {edge.name}
              </Link>
            </td>
            <td>
              <Status of={edge.stale ? 'stale' : 'fresh'} />
            </td>
            <td>{edge.mode ?? '–'}</td>
            <td>{lagOf(edge, lag.data)}</td>
            <td>{enforcedOf(edge)}</td>
            <td>
              <InUse site={siteOf(edge.id)} />
            </td>
            <td>
              <Time at={edge.confirmedAt} />
            </td>
            <td className="act">
              {may('proxies:write') ? (
                <button type="button" className="quiet danger" onClick={() => setLeaving(edge)}>
                  Remove…
                </button>
              ) : null}
            </td>
          </tr>
        )}
      />
      {isAdding ? <RegisterEdge onClose={() => setAdding(false)} /> : null}
      {leaving === undefined ? null : <RemoveEdge edge={leaving} onClose={() => setLeaving(undefined)} />}
    </>
  );
}

/** How many entries of the log an edge has not applied yet, in words; where nobody knows, how far it has come. */
export function lagOf({ name, position, stale }: Edge, lag: Schemas['Metric'] | undefined): string {
  if (position === undefined) return 'has reported nothing yet';
  const behind = lag?.series?.find(({ label }) => label === name)?.points.at(-1)?.value;
  if (stale || lag === undefined) return `at entry ${position.toLocaleString()}`;
  if (behind === undefined || behind === 0) return 'nothing';
  return `${behind.toLocaleString()} ${behind === 1 ? 'entry' : 'entries'}`;
}

const percent = (share: number): string => `${Math.round(100 * share)} %`;

/** What of the machine of an edge is in use, and whether there should be more of them or fewer. */
export function InUse({ site }: { site: Site | undefined }) {
  if (site === undefined || site.stale) return '–';
  const { capacity, load, utilization, signal } = site;
  const { cpu, memory } = utilization ?? { cpu: load.cpu, memory: load.memory / Math.max(1, capacity.memory) };
  return (
    <>
      {`${percent(cpu)} CPU, ${percent(memory)} memory`}
      {signal === 'steady' ? null : (
        <>
          {' '}
          <Status of={signal} />
        </>
      )}
    </>
  );
}

function enforcedOf({ sessions, enforced, cursor }: Edge): string {
  if (!sessions) return 'what it applied';
  if (enforced === undefined) return 'has not said';
  return enforced === cursor ? 'what it applied' : 'not all that it applied';
}

function RegisterEdge({ onClose }: { onClose(): void }) {
  const [name, setName] = useState('');
  const [sessions, setSessions] = useState(false);
  const adding = useAct(() => api.post('/v1/proxies', { body: { name: name.trim(), sessions } }), onClose);
  return (
    <Modal title="Register an edge" about="Most edges do this themselves when they start." open onClose={onClose}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          adding.mutate();
        }}
      >
        <Field label="Name">
          <input value={name} onChange={({ target }) => setName(target.value)} required />
        </Field>
        <label className="check">
          <input type="checkbox" checked={sessions} onChange={({ target }) => setSessions(target.checked)} />
          It holds sessions, and will say what it enforces
        </label>
        <FormEnd acting={adding} act="Register" onClose={onClose} />
      </form>
    </Modal>
  );
}

function RemoveEdge({ edge: { id, name }, onClose }: { edge: Edge; onClose(): void }) {
  const removing = useAct(() => api.delete('/v1/proxies/{id}', { path: { id } }), onClose);
  return (
    <Confirm
      title={`Remove ${name}`}
      about="Receipts no longer wait for it. Remove an edge that is retired: one that still runs decides on, and nobody would see it."
      act="Remove"
      word={name}
      acting={removing}
      onClose={onClose}
    />
  );
}
