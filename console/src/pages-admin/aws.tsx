import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api, background, type Schemas } from '../api.js';
import { useAct } from '../parts/acting.js';
import { Confirm } from '../parts/confirm.js';
import { useMay } from '../parts/may.js';
import { Empty, PageHead, Pairs } from '../parts/page.js';
import { ProblemNote } from '../parts/problem.js';
import { Section, Skeleton, Time } from '../parts/shown.js';
import { useTell } from '../parts/told.js';
import { MirrorForm } from './aws-form.js';
import { Imports, Reconciliations } from './aws-runs.js';

type Mirror = Schemas['AwsMirror'];

/** The mirror of the fleet in AWS IoT: how it is set up, what waits, what differs. */
export function AwsPage() {
  const may = useMay();
  const [asked, setAsked] = useState<'settings' | 'off'>();
  const close = () => setAsked(undefined);
  const { data, error } = useQuery({
    queryKey: ['aws'],
    queryFn: () => background.get('/v1/aws'),
  });
  return (
    <>
      <PageHead title="AWS" about="A copy of things, certificates and policies in AWS IoT, kept up to date.">
        {data === undefined || data.mode === 'off' || !may('aws:write') ? null : (
          <>
            <button type="button" onClick={() => setAsked('settings')}>
              Settings
            </button>
            <button type="button" className="danger" onClick={() => setAsked('off')}>
              Switch off…
            </button>
          </>
        )}
      </PageHead>
      <ProblemNote error={error} />
      {data === undefined && !error ? <Skeleton lines={6} /> : null}
      {data === undefined ? null : <WhatThereIs mirror={data} onSetUp={() => setAsked('settings')} />}
      {asked === 'settings' && data ? <MirrorForm mirror={data} onClose={close} /> : null}
      {asked === 'off' ? <SwitchOff onClose={close} /> : null}
    </>
  );
}

function WhatThereIs({ mirror, onSetUp }: { mirror: Mirror; onSetUp(): void }) {
  const may = useMay();
  if (mirror.mode === 'off')
    return (
      <Empty title="Nothing is mirrored">
        <p>AWS IoT Core gets what Thingward decides, never more. External id for the role: {mirror.externalId}</p>
        {may('aws:write') ? (
          <button type="button" className="primary" onClick={onSetUp}>
            Set up the mirror
          </button>
        ) : null}
      </Empty>
    );
  return (
    <>
      <MirrorState mirror={mirror} />
      {may('aws:write') ? (
        <>
          <Reconciliations />
          <Imports />
        </>
      ) : null}
    </>
  );
}

const noQueue = { pending: 0, failed: 0 };

function MirrorState({ mirror }: { mirror: Mirror }) {
  const { mode, awsAccount, region, roleArn, externalId, trouble, reconciledAt } = mirror;
  const queue: Schemas['AwsQueue'] = mirror.queue ?? noQueue;
  const tell = useTell();
  const retrying = useAct(
    () => api.post('/v1/aws/retry'),
    ({ retried }) => tell({ text: `${retried} steps are tried again.` }),
  );
  return (
    <Section title="The mirror">
      {trouble === undefined ? null : (
        <div className="note bad" role="alert">
          <strong>AWS refuses {trouble.call}</strong>
          <p>
            {trouble.reason} Since <Time at={trouble.since} />.
          </p>
        </div>
      )}
      <Pairs
        rows={[
          ['Mode', mode],
          ['AWS account', awsAccount ?? '–'],
          ['Region', region ?? '–'],
          ['Role', roleArn ?? '–'],
          ['External id', externalId],
          ['Waiting', queue.pending.toLocaleString()],
          ['Failed', queue.failed.toLocaleString()],
          [
            'Oldest that waits',
            queue.oldestPendingSince === undefined ? '–' : <Time key="oldest" at={queue.oldestPendingSince} />,
          ],
          ['Compared', <Time key="compared" at={reconciledAt} />],
        ]}
      />
      <ProblemNote error={retrying.error} />
      {queue.failed > 0 || trouble !== undefined ? (
        <div className="acts">
          <button type="button" disabled={retrying.isPending} onClick={() => retrying.mutate()}>
            Try again now
          </button>
        </div>
      ) : null}
    </Section>
  );
}

function SwitchOff({ onClose }: { onClose(): void }) {
  const turning = useAct(() => api.put('/v1/aws', { body: { mode: 'off' } }), onClose);
  return (
    <Confirm
      title="Switch the mirror off"
      about="AWS keeps what it has: later suspensions and revocations do not reach it any more."
      act="Switch off"
      word="off"
      acting={turning}
      onClose={onClose}
    />
  );
}
