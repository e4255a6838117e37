import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useState, type ReactNode } from 'react';
import { api, background, type Schemas } from '../api.js';
import { useAct } from '../parts/acting.js';
import { Confirm } from '../parts/confirm.js';
import { useMay } from '../parts/may.js';
import { PageHead, Pairs } from '../parts/page.js';
import { ProblemNote } from '../parts/problem.js';
import { Field, Section, Skeleton, Status, Time } from '../parts/shown.js';
import { useTell } from '../parts/told.js';
import { Arrivals } from './arrivals.js';

const route = getRouteApi('/signed-in/enroll/$id');

type Enrollment = Schemas['Enrollment'];

/** One enrollment: what it lets in, who came, and its end. */
export function EnrollmentPage() {
  const { id } = route.useParams();
  const may = useMay();
  const [isAsking, setAsking] = useState(false);
  const { data, error } = useQuery({
    queryKey: ['enrollments', id],
    queryFn: () => background.get('/v1/enrollments/{id}', { path: { id } }),
  });
  return (
    <>
      <PageHead title={data?.thingNamePattern ?? 'Enrollment'} back={['Enrollments', '/enroll']}>
        {data?.status === 'active' && may('enrollments:write') ? (
          <button type="button" className="danger" onClick={() => setAsking(true)}>
            Revoke…
          </button>
        ) : null}
      </PageHead>
      <ProblemNote error={error} />
      {data === undefined && !error ? <Skeleton lines={6} /> : null}
      {data === undefined ? null : (
        <>
          <Facts enrollment={data} />
          <Arrivals enrollment={id} isWaited={data.approval === 'required'} />
          {may('enrollments:write') ? <Grace enrollment={data} /> : null}
        </>
      )}
      {isAsking ? <RevokeEnrollment id={id} onClose={() => setAsking(false)} /> : null}
    </>
  );
}

function Facts({ enrollment }: { enrollment: Enrollment }) {
  const { id, status, uses, maxUses, policies, thingType, segment, sourceCidrs, expiresAt, createdAt, createdBy } =
    enrollment;
  return (
    <section className="card" aria-label="What it lets in">
      <Pairs
        rows={[
          ['Status', <Status key="status" of={status} />],
          ['Things', `${uses.toLocaleString()} of ${maxUses.toLocaleString()}`],
          ['Policies', policies.join(', ')],
          ['Type', thingType ?? 'any'],
          ['Segment', segment ?? '–'],
          ['From', sourceCidrs.join(', ') || 'anywhere'],
          [
            'Attributes',
            Object.entries(enrollment.attributes)
              .map((pair) => pair.join(' = '))
              .join(', ') || '–',
          ],
          ['Set by devices', enrollment.deviceAttributes.join(', ') || '–'],
          ['Approval', enrollment.approval ?? 'not needed'],
          ['Admits', enrollment.expectedOnly ? 'expected things only' : 'every device that it covers'],
          ['Check', enrollment.check?.url ?? 'none'],
          ...manufacturerOf(enrollment),
          ['Certificates live', `${((enrollment.certificateSeconds ?? 90 * 86_400) / 86_400).toLocaleString()} days`],
          ['Ends', expiresAt === undefined ? 'never' : <Time key="ends" at={expiresAt} />],
          ['Created', <Time key="created" at={createdAt} />],
          ['By', createdBy],
          ['Id', <code key="id">{id}</code>],
        ]}
      />
      <p>
        <Link to="/things" search={{ enrollment: id }}>
          Its things
        </Link>
      </p>
    </section>
  );
}

/** Whose devices it admits by their certificates; nothing where a token admits them. */
function manufacturerOf({ ca }: Enrollment): [string, ReactNode][] {
  if (ca === undefined) return [];
  const { thingName, isProved, crl, certificates } = ca;
  return [
    ['Admits by', 'a certificate of their manufacturer'],
    ['Named by', <code key="named">{thingName}</code>],
    ['Key of the authority', isProved ? 'proved' : 'not proved: expected things only'],
    ['What it revoked', crl === undefined ? 'no list was uploaded' : `${crl.revoked.toLocaleString()} certificates`],
    ...(crl === undefined
      ? []
      : ([['The list ends', <Time key="list" at={crl.nextUpdate} />]] as [string, ReactNode][])),
    [
      'Authority',
      <details key="authority">
        <summary>PEM</summary>
        <pre className="json">{certificates}</pre>
      </details>,
    ],
  ];
}

function Grace({ enrollment: { id, renewGraceSeconds } }: { enrollment: Enrollment }) {
  const tell = useTell();
  const [days, setDays] = useState(renewGraceSeconds === undefined ? '' : String(renewGraceSeconds / 86_400));
  const saving = useAct(
    () =>
      api.patch('/v1/enrollments/{id}', {
        path: { id },
        body: { renewGraceSeconds: days === '' ? null : Math.round(Number(days) * 86_400) },
      }),
    () => tell({ text: 'The renewal grace is saved.' }),
  );
  return (
    <Section title="Renewal after the end">
      <form
        className="filters"
        onSubmit={(event) => {
          event.preventDefault();
          saving.mutate();
        }}
      >
        <Field
          label="Days for which an expired certificate may still renew"
          hint="Empty: as the account says. Zero: never."
        >
          <input type="number" min="0" step="any" value={days} onChange={({ target }) => setDays(target.value)} />
        </Field>
        <button type="submit" disabled={saving.isPending}>
          Save
        </button>
      </form>
      <ProblemNote error={saving.error} />
    </Section>
  );
}

function RevokeEnrollment({ id, onClose }: { id: string; onClose(): void }) {
  const [andThings, setAndThings] = useState(false);
  const revoking = useAct(
    () => api.post('/v1/enrollments/{id}/revoke', { path: { id }, body: andThings ? { andThings } : {} }),
    onClose,
  );
  const made = useQuery({
    queryKey: ['things', 'count-of-enrollment', id],
    queryFn: () => api.get('/v1/things', { query: { enrollment: id, limit: 1, total: 'true' } }),
  });
  const count = made.data?.total;
  return (
    <Confirm
      title="Revoke this enrollment"
      about="Its token lets nobody in any more. That cannot be undone; make another enrollment instead."
      act={andThings ? 'Revoke it and its things' : 'Revoke it'}
      {...(andThings ? { word: 'revoke' } : {})}
      acting={revoking}
      onClose={onClose}
    >
      <label className="check">
        <input type="checkbox" checked={andThings} onChange={({ target }) => setAndThings(target.checked)} />
        Also revoke the things that it let in
      </label>
      <div className="note warn" role="status">
        {andThings ? (
          <p>
            {count === undefined ? 'Counting…' : `${count.toLocaleString()} things lose their certificates at once.`}
          </p>
        ) : (
          <p>The things that it let in stay as they are.</p>
        )}
      </div>
    </Confirm>
  );
}
