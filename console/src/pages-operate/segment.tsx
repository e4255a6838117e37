import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { api, type Schemas } from '../api.js';
import { useAct } from '../parts/acting.js';
import { Confirm } from '../parts/confirm.js';
import { Modal } from '../parts/dialog.js';
import { Listed, usePages } from '../parts/listed.js';
import { useMay } from '../parts/may.js';
import { Empty, PageHead, Pairs } from '../parts/page.js';
import { ProblemNote } from '../parts/problem.js';
import { Field, Section, Skeleton, Status } from '../parts/shown.js';
import { useTell } from '../parts/told.js';
import { SegmentForm } from './segment-form.js';

const route = getRouteApi('/signed-in/segments/$name');

/** One segment, with the things in it. */
export function SegmentPage() {
  const { name } = route.useParams();
  const may = useMay();
  const navigate = useNavigate();
  const [asking, setAsking] = useState<'edit' | 'delete'>();
  const close = () => setAsking(undefined);
  const { data, error } = useQuery({
    queryKey: ['segments', 'one', name],
    queryFn: () => api.get('/v1/segments/{name}', { path: { name } }),
  });
  const saving = useAct(
    (body: Schemas['SegmentPatch']) => api.patch('/v1/segments/{name}', { path: { name }, body }),
    close,
  );
  const deleting = useAct(
    () => api.delete('/v1/segments/{name}', { path: { name } }),
    () => navigate({ to: '/segments' }),
  );
  return (
    <>
      <PageHead title={name} back={['Segments', '/segments']}>
        {may('segments:write') ? (
          <>
            <button type="button" className="primary" onClick={() => setAsking('edit')}>
              Edit
            </button>
            <button type="button" className="danger" onClick={() => setAsking('delete')}>
              Delete…
            </button>
          </>
        ) : null}
      </PageHead>
      <ProblemNote error={error} />
      {data === undefined && !error ? <Skeleton /> : null}
      {data === undefined ? null : <Facts segment={data} />}
      <Members name={name} />
      {asking === 'edit' && data ? (
        <Modal title={`Edit ${name}`} about="It takes effect at once, on every edge." open onClose={close}>
          <SegmentForm
            segment={data}
            act="Save"
            saving={saving}
            onSave={(_, change) => saving.mutate(change)}
            onClose={close}
          />
        </Modal>
      ) : null}
      {asking === 'delete' ? (
        <Confirm
          title={`Delete ${name}`}
          about="A segment that has things or enrollments is not deleted: the answer says which."
          act="Delete"
          word={name}
          acting={deleting}
          onClose={close}
        />
      ) : null}
    </>
  );
}

function Facts({ segment }: { segment: Schemas['Segment'] }) {
  const { cidr, securityLevel, allowedProtocols, deviceLimit, things, trafficPolicy } = segment;
  const rules = [...segment.ingressRules, ...segment.egressRules];
  return (
    <Section title="What it is">
      <Pairs
        rows={[
          ['Addresses', <code key="cidr">{cidr}</code>],
          ['Protocols', allowedProtocols.join(', ')],
          ['Security level', securityLevel],
          ['Things', `${things.toLocaleString()} of ${deviceLimit.toLocaleString()}`],
          ['Bandwidth', trafficPolicy.bandwidthLimit],
          ['Connections', trafficPolicy.connectionLimit.toLocaleString()],
          ['Requests', `${trafficPolicy.rateLimit.requestsPerSecond}/s, ${trafficPolicy.rateLimit.burst} at once`],
          ['Priority', trafficPolicy.qos.priority],
        ]}
      />
      {rules.length === 0 ? null : (
        <details>
          <summary>{rules.length} rules for your firewall</summary>
          <pre tabIndex={0} role="region" aria-label="Rules for the firewall">
            {JSON.stringify({ ingressRules: segment.ingressRules, egressRules: segment.egressRules }, undefined, 2)}
          </pre>
        </details>
      )}
    </Section>
  );
}

function Members({ name }: { name: string }) {
  const may = useMay();
  const tell = useTell();
  const [added, setAdded] = useState('');
  const list = usePages(['things', 'in-segment', name], (cursor, signal) =>
    api.get('/v1/things', { query: { limit: 50, segment: name, ...cursor }, signal }),
  );
  const adding = useAct(
    (thingName: string) => api.put('/v1/segments/{name}/things/{thingName}', { path: { name, thingName } }),
    () => setAdded(''),
  );
  const removing = useAct(
    (thingName: string) => api.delete('/v1/segments/{name}/things/{thingName}', { path: { name, thingName } }),
    (_, thingName) => tell({ text: `${thingName} is no longer in ${name}.`, undo: () => adding.mutate(thingName) }),
  );
  return (
    <>
      <h2>Things in it</h2>
      {may('segments:write') ? (
        <form
          className="filters"
          onSubmit={(event) => {
            event.preventDefault();
            adding.mutate(added.trim());
          }}
        >
          <Field label="Name of a thing">
            <input value={added} onChange={({ target }) => setAdded(target.value)} required spellCheck={false} />
          </Field>
          <button type="submit" disabled={adding.isPending}>
            Add to the segment
          </button>
        </form>
      ) : null}
      <ProblemNote error={adding.error ?? removing.error} />
      <Listed
        label="Things in the segment"
        head={['Name', 'Status', 'Type', 'Act']}
        list={list}
        empty={
          <Empty title="No thing is in it">
            <p>Add one above, or name the segment in an enrollment.</p>
          </Empty>
        }
        row={({ id, name: thing, status, thingType }) => (
          <tr key={id}>
            <td>
              <Link to="/things/$name" params={{ name: thing }}>
                {thing}
              </Link>
            </td>
            <td>
              <Status of={status} />
            </td>
            <td>{thingType ?? '–'}</td>
            <td className="act">
              {may('segments:write') ? (
                <button
                  type="button"
                  className="quiet"
                  aria-label={`Take out ${thing}`}
                  onClick={() => removing.mutate(thing)}
                >
                  Take out
                </button>
              ) : null}
            </td>
          </tr>
        )}
      />
    </>
  );
}
