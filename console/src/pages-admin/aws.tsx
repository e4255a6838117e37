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
    refetchInterval: 15_000,
  });
  const isOn = data !== undefined && data.mode !== 'off';
  const setUp = may('aws:write') ? (
    <button type="button" className={isOn ? '' : 'primary'} onClick={() => setAsked('settings')}>
      {isOn ? 'Settings' : 'Set up the mirror'}
    </button>
  ) : null;
  return (
    <>
      <PageHead title="AWS" about="A copy of things, certificates and policies in AWS IoT, kept up to date.">
        {isOn ? setUp : null}
        {isOn && may('aws:write') ? (
          <button type="button" className="danger" onClick={() => setAsked('off')}>
            Switch off…
          </button>
        ) : null}
      </PageHead>
      <ProblemNote error={error} />
      {data === undefined && !error ? <Skeleton lines={6} /> : null}
      {data?.mode === 'off' ? (
        <Empty title="Nothing is mirrored">
          <p>AWS IoT Core gets what Thingward decides, never more. External id for the role: {data.externalId}</p>
          {setUp}
        </Empty>
      ) : null}
      {isOn ? (
        <>
          <MirrorState mirror={data} />
          {may('aws:write') ? (
            <>
              <Reconciliations />
              <Imports />
            </>
          ) : null}
        </>
      ) : null}
      {asked === 'settings' && data ? <MirrorForm mirror={data} onClose={close} /> : null}
      {asked === 'off' ? <SwitchOff onClose={close} /> : null}
    </>
  );
}

function MirrorState({ mirror }: { mirror: Mirror }) {
  const { mode, awsAccount, region, roleArn, externalId, queue, trouble, reconciledAt } = mirror;
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
          ['Waiting', (queue?.pending ?? 0).toLocaleString()],
          ['Failed', (queue?.failed ?? 0).toLocaleString()],
          [
            'Oldest that waits',
            queue?.oldestPendingSince === undefined ? '–' : <Time key="oldest" at={queue.oldestPendingSince} />,
          ],
          ['Compared', <Time key="compared" at={reconciledAt} />],
        ]}
      />
      <ProblemNote error={retrying.error} />
      {(queue?.failed ?? 0) > 0 || trouble !== undefined ? (
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
