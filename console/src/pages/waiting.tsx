import { useMutation, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api, background, type Schemas } from '../api.js';
import { Empty, PageHead } from '../parts/page.js';
import { ProblemNote } from '../parts/problem.js';
import { Field, Skeleton, Time } from '../parts/shown.js';
import { useStepUp } from '../parts/step-up.js';
import { queryClient } from '../queries.js';

/** Devices whose enrollment wants somebody to look first. */
export function WaitingPage() {
  const { data, error } = useQuery({
    queryKey: ['waiting'],
    queryFn: () => background.get('/v1/waiting', { query: { status: 'waiting', limit: 50 } }),
  });
  return (
    <>
      <PageHead title="Waiting devices" />
      <ProblemNote error={error} />
      {data === undefined && !error ? <Skeleton /> : null}
      {data?.items.length === 0 ? (
        <Empty title="No device waits">
          <p>One comes here when its enrollment says that each device waits until somebody approves it.</p>
        </Empty>
      ) : null}
      {data?.items.map((device) => (
        <WaitingDevice key={device.id} device={device} />
      ))}
      {data?.nextCursor === undefined ? null : <p>More devices wait. They show up as these are decided.</p>}
    </>
  );
}

/** A device that waits, with what somebody decides about it. */
export function WaitingDevice({ device }: { device: Schemas['WaitingDevice'] }) {
  const { id, name, thingType, keyFingerprint, sourceIp, firstSeenAt, timesSeen } = device;
  const given = Object.entries(device.attributes);
  const withStepUp = useStepUp();
  const [granted, setGranted] = useState(name);
  const [reason, setReason] = useState('');
  const deciding = useMutation({
    mutationFn: (isApproved: boolean) =>
      withStepUp(() =>
        isApproved
          ? api.post('/v1/waiting/{id}/approve', { path: { id }, body: granted === name ? {} : { name: granted } })
          : api.post('/v1/waiting/{id}/deny', { path: { id }, body: { reason } }),
      ),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: ['waiting'] }),
  });
  return (
    <section className="card" aria-label={name}>
      <h2 className="long">{name}</h2>
      <p>
        {thingType ?? 'No type'}, from {sourceIp ?? 'an unknown address'}, first seen <Time at={firstSeenAt} />,{' '}
        {timesSeen === 1 ? 'seen once' : `seen ${timesSeen} times`}
      </p>
      <p>
        Key: <code className="long">{keyFingerprint}</code>
      </p>
      {given.length === 0 ? null : (
        <p className="long">It says of itself: {given.map((pair) => pair.join(' = ')).join(', ')}</p>
      )}
      <div className="filters">
        <Field label="Name that it gets">
          <input value={granted} onChange={({ target }) => setGranted(target.value)} />
        </Field>
        <button type="button" className="primary" disabled={deciding.isPending} onClick={() => deciding.mutate(true)}>
          Approve
        </button>
        <Field label="Reason for a denial">
          <input value={reason} onChange={({ target }) => setReason(target.value)} />
        </Field>
        <button
          type="button"
          className="danger"
          disabled={deciding.isPending || reason.trim() === ''}
          onClick={() => deciding.mutate(false)}
        >
          Deny
        </button>
      </div>
      <ProblemNote error={deciding.error} />
    </section>
  );
}
