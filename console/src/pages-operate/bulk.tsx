import { useMutation, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api, background, type Schemas } from '../api.js';
import { Receipts } from '../pages/receipts.js';
import { useAct } from '../parts/acting.js';
import { Confirm } from '../parts/confirm.js';
import { useMay } from '../parts/may.js';
import { Empty, PageHead } from '../parts/page.js';
import { ProblemNote } from '../parts/problem.js';
import { Field, Section, Table, Time } from '../parts/shown.js';

type Filter = Schemas['BulkFilter'];
type Reason = Schemas['RevocationReason'];

const reasons: Partial<Record<Reason, string>> = {
  cessationOfOperation: 'They are out of operation',
  keyCompromise: 'Their keys were compromised (bars the keys for ever)',
  privilegeWithdrawn: 'They lost their rights',
  certificateHold: 'Hold them: they can be released one by one',
  unspecified: 'Unspecified',
};

const none = { things: '', enrollment: '', policy: '', group: '', query: '', issuedBefore: '', lineageOf: '' };

/** Many certificates at once: a filter, what it selects, the number typed, then how it proceeds. */
export function BulkRevokePage() {
  const may = useMay();
  const [draft, setDraft] = useState(none);
  const [reason, setReason] = useState<Reason>('cessationOfOperation');
  const [isAsking, setAsking] = useState(false);
  const [running, setRunning] = useState<string>();
  const filter = filterOf(draft);
  const looking = useMutation({
    mutationFn: () => api.post('/v1/revocations/bulk', { body: { filter, reason, dryRun: true } }),
  });
  const preview = looking.data && 'count' in looking.data ? looking.data : undefined;
  const revoking = useAct(
    () => api.post('/v1/revocations/bulk', { body: { filter, reason, expectedCount: preview?.count ?? 0 } }),
    (run) => {
      setAsking(false);
      if ('id' in run) setRunning(run.id);
    },
  );
  const field = (name: keyof typeof draft) => ({
    value: draft[name],
    onChange: ({ target }: { target: { value: string } }) => {
      setDraft({ ...draft, [name]: target.value });
      looking.reset();
    },
    spellCheck: false,
  });
  if (!may('certificates:revoke')) return <PageHead title="Revoke many" about="This needs certificates:revoke." />;
  return (
    <>
      <PageHead
        title="Revoke many"
        about="Certificates that match all of what you say end together. One thing is revoked on its own page."
      />
      <form
        className="card form"
        onSubmit={(event) => {
          event.preventDefault();
          looking.mutate();
        }}
      >
        <Field label="Names of things" hint="One on a line, up to 1,000.">
          <textarea {...field('things')} />
        </Field>
        <div className="stack">
          <Field label="Policy that they carry">
            <input {...field('policy')} />
          </Field>
          <Field label="Group" hint="Of things; where there is none of this name, of AWS IoT.">
            <input {...field('group')} />
          </Field>
        </div>
        <Field label="Query" hint="Such as type = pump and attributes.site = oslo">
          <input {...field('query')} />
        </Field>
        <div className="stack">
          <Field label="Enrollment that let them in">
            <input {...field('enrollment')} />
          </Field>
          <Field label="Issued before">
            <input type="datetime-local" {...field('issuedBefore')} />
          </Field>
        </div>
        <Field
          label="Certificates that came from this one"
          hint="A serial number: it and all that were renewed from it."
        >
          <input {...field('lineageOf')} />
        </Field>
        <Field label="Reason">
          <select
            value={reason}
            onChange={({ target }) => {
              setReason(target.value as Reason);
              looking.reset();
            }}
          >
            {Object.entries(reasons).map(([value, title]) => (
              <option key={value} value={value}>
                {title}
              </option>
            ))}
          </select>
        </Field>
        <div className="acts">
          <button type="submit" className="primary" disabled={looking.isPending || Object.keys(filter).length === 0}>
            See what it would end
          </button>
        </div>
      </form>
      <ProblemNote error={looking.error} />
      {preview === undefined ? null : <Preview preview={preview} onGo={() => setAsking(true)} />}
      {running === undefined ? null : <Progress id={running} />}
      {isAsking && preview ? (
        <Confirm
          title={`Revoke ${preview.count.toLocaleString()} certificates`}
          about={`Of ${preview.things.toLocaleString()} things. It stops if the number is another by then.`}
          act="Revoke them"
          word={String(preview.count)}
          acting={revoking}
          onClose={() => setAsking(false)}
        />
      ) : null}
    </>
  );
}

function filterOf({ things, issuedBefore, ...words }: typeof none): Filter {
  const thingNames = things
    .split('\n')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  return {
    ...Object.fromEntries(
      Object.entries(words)
        .map(([name, value]) => [name, value.trim()] as const)
        .filter(([, value]) => value !== ''),
    ),
    ...(thingNames.length === 0 ? {} : { thingNames }),
    ...(issuedBefore === '' ? {} : { issuedBefore: new Date(issuedBefore).toISOString() }),
  };
}

function Preview({ preview, onGo }: { preview: Schemas['BulkRevocationPreview']; onGo(): void }) {
  if (preview.count === 0)
    return (
      <Empty title="Nothing matches">
        <p>No live certificate matches all of it.</p>
      </Empty>
    );
  return (
    <Section
      title={`${preview.count.toLocaleString()} certificates of ${preview.things.toLocaleString()} things would end`}
    >
      <Table label="Some of them" head={['Thing', 'Serial number']}>
        {preview.sample.slice(0, 10).map(({ serialNumber, thingName }) => (
          <tr key={serialNumber}>
            <td>{thingName}</td>
            <td>
              <code>{serialNumber}</code>
            </td>
          </tr>
        ))}
      </Table>
      <div className="acts">
        <button type="button" className="danger" onClick={onGo}>
          Revoke them…
        </button>
      </div>
    </Section>
  );
}

/** How far a bulk revocation is, and which edges enforce it. */
export function Progress({ id }: { id: string }) {
  const { data, error } = useQuery({
    queryKey: ['bulk', id],
    queryFn: () => background.get('/v1/revocations/bulk/{id}', { path: { id } }),
    refetchInterval: ({ state }) => (state.data?.status === 'done' ? false : 500),
  });
  return (
    <>
      <Section title="Revoking">
        <ProblemNote error={error} />
        {data === undefined ? null : (
          <>
            <progress value={data.revoked} max={Math.max(1, data.expectedCount)} aria-label="Revoked so far" />
            <p role="status">
              {data.revoked.toLocaleString()} of {data.expectedCount.toLocaleString()} revoked
              {data.finishedAt === undefined ? '…' : '. Finished '}
              {data.finishedAt === undefined ? null : <Time at={data.finishedAt} />}
            </p>
          </>
        )}
      </Section>
      {data?.position === undefined ? null : <Receipts key={data.position} position={data.position} />}
    </>
  );
}
