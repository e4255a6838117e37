import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useState, type ReactNode } from 'react';
import { api, background, type Schemas } from '../api.js';
import { useAct } from '../parts/acting.js';
import { Confirm } from '../parts/confirm.js';
import { useMay } from '../parts/may.js';
import { PageHead, Pairs } from '../parts/page.js';
import { ProblemNote } from '../parts/problem.js';
import { Section, Skeleton, Status, Table, Time } from '../parts/shown.js';
import { CampaignThings } from './campaign-things.js';
import { actOf, doneOf } from './campaigns.js';
import { textOf } from './query.js';

type Campaign = Schemas['Campaign'];

const route = getRouteApi('/signed-in/campaigns/$id');
const lookMs = 1000;

/** One campaign: how far it has come, by wave, and what became of its things. */
export function CampaignPage() {
  const { id } = route.useParams();
  const { data, error } = useQuery({
    queryKey: ['campaigns', 'one', id],
    queryFn: () => background.get('/v1/campaigns/{id}', { path: { id } }),
    refetchInterval: ({ state }) => (state.data?.status === 'running' ? lookMs : false),
  });
  return (
    <>
      <PageHead title={data === undefined ? 'Campaign' : actOf(data)} back={['Campaigns', '/campaigns']}>
        {data === undefined ? null : <Acts campaign={data} />}
      </PageHead>
      <ProblemNote error={error} />
      {data === undefined && !error ? <Skeleton /> : null}
      {data === undefined ? null : (
        <>
          <Facts campaign={data} />
          <Waves campaign={data} />
        </>
      )}
      <CampaignThings id={id} />
    </>
  );
}

function Acts({ campaign: { id, status } }: { campaign: Campaign }) {
  const may = useMay();
  const [isCancelling, setCancelling] = useState(false);
  const path = { id };
  const pausing = useAct(() => api.post('/v1/campaigns/{id}/pause', { path }));
  const resuming = useAct(() => api.post('/v1/campaigns/{id}/resume', { path }));
  const cancelling = useAct(
    () => api.post('/v1/campaigns/{id}/cancel', { path }),
    () => setCancelling(false),
  );
  if (!may('things:write') || status === 'done' || status === 'cancelled') return null;
  return (
    <>
      <ProblemNote error={pausing.error ?? resuming.error} />
      {status === 'paused' ? (
        <button type="button" className="primary" disabled={resuming.isPending} onClick={() => resuming.mutate()}>
          Resume
        </button>
      ) : (
        <button type="button" className="primary" disabled={pausing.isPending} onClick={() => pausing.mutate()}>
          Pause
        </button>
      )}
      <button type="button" className="danger" onClick={() => setCancelling(true)}>
        Cancel it…
      </button>
      {isCancelling ? (
        <Confirm
          title="Cancel the campaign"
          about="What is done stays. It cannot be resumed."
          act="Cancel the campaign"
          acting={cancelling}
          onClose={() => setCancelling(false)}
        />
      ) : null}
    </>
  );
}

function Facts({ campaign }: { campaign: Campaign }) {
  const { counts, things, status, reason, group, query, pauseOver, createdBy, createdAt, finishedAt } = campaign;
  return (
    <Section title="How far it has come">
      <progress
        value={counts.done + counts.failed + counts.skipped}
        max={Math.max(1, things)}
        aria-label="Things that it is done with"
      />
      <p role="status">
        <Status of={status} /> {doneOf(campaign)}
        {counts.asked > 0 ? `, ${counts.asked.toLocaleString()} asked to renew` : ''}
      </p>
      {reason === undefined ? null : <p>{reason}</p>}
      <Pairs
        rows={[
          [
            'On',
            group === undefined ? (
              <code key="query">{textOf(query)}</code>
            ) : (
              <Link key="group" to="/groups/$name" params={{ name: group }}>
                {group}
              </Link>
            ),
          ],
          ['Pauses above', `${pauseOver.failures} of failures in a wave`],
          ['Made by', createdBy],
          ['Began', <Time key="began" at={createdAt} />],
          ...(finishedAt === undefined ? [] : [over(finishedAt)]),
        ]}
      />
    </Section>
  );
}

const over = (at: string): [string, ReactNode] => ['Over', <Time key="over" at={at} />];

function Waves({ campaign: { waves, wave, status } }: { campaign: Campaign }) {
  return (
    <Section title="Waves">
      <Table label="Waves" head={['Up to', 'Things', 'Done', 'Failed', 'Skipped', 'Left']}>
        {waves.map(({ upTo, things, done, failed, skipped, waiting, asked }, nth) => (
          <tr key={upTo} aria-current={status === 'running' && nth + 1 === wave ? 'step' : undefined}>
            <td>{upTo} %</td>
            <td>{things.toLocaleString()}</td>
            <td>{done.toLocaleString()}</td>
            <td>{failed.toLocaleString()}</td>
            <td>{skipped.toLocaleString()}</td>
            <td>{(waiting + asked).toLocaleString()}</td>
          </tr>
        ))}
      </Table>
    </Section>
  );
}
