import { useQuery } from '@tanstack/react-query';
import { getRouteApi, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { api, type Schemas } from '../api.js';
import { useAct } from '../parts/acting.js';
import { Confirm } from '../parts/confirm.js';
import { useMay } from '../parts/may.js';
import { PageHead, Pairs } from '../parts/page.js';
import { ProblemNote } from '../parts/problem.js';
import { Section, Skeleton, Status, Time } from '../parts/shown.js';
import { DeliveryList } from './deliveries.js';
import { WebhookForm } from './webhook-form.js';

const route = getRouteApi('/signed-in/webhooks/$id');

/** One webhook: what it is told, and what became of it. */
export function WebhookPage() {
  const { id } = route.useParams();
  const may = useMay();
  const [asked, setAsked] = useState<'edit' | 'delete'>();
  const close = () => setAsked(undefined);
  const { data, error } = useQuery({
    queryKey: ['webhooks', 'one', id],
    queryFn: () => api.get('/v1/webhooks/{id}', { path: { id } }),
  });
  return (
    <>
      <PageHead title={data?.description || 'Webhook'} back={['Webhooks', '/webhooks']}>
        {data !== undefined && may('webhooks:write') ? (
          <>
            <button type="button" onClick={() => setAsked('edit')}>
              Edit
            </button>
            <button type="button" className="danger" onClick={() => setAsked('delete')}>
              Delete…
            </button>
          </>
        ) : null}
      </PageHead>
      <ProblemNote error={error} />
      {data === undefined && !error ? <Skeleton /> : null}
      {data === undefined ? null : <Facts webhook={data} />}
      <DeliveryList webhook={id} />
      {asked === 'edit' && data ? <WebhookForm webhook={data} onClose={close} /> : null}
      {asked === 'delete' && data ? <DeleteWebhook webhook={data} onClose={close} /> : null}
    </>
  );
}

function Facts({ webhook: { url, enabled, types, fullSince, createdAt, createdBy } }: { webhook: Schemas['Webhook'] }) {
  return (
    <>
      {fullSince === undefined ? null : (
        <div className="note warn" role="alert">
          <strong>Its queue is full</strong>
          <p>
            Since <Time at={fullSince} /> nothing more is queued: what happens meanwhile is not told, and stands in the
            audit. Once the receiver takes what waits, it hears of new events again.
          </p>
        </div>
      )}
      <Section title="What it is told">
        <Pairs
          rows={[
            ['URL', url],
            ['State', <Status key="state" of={enabled ? 'on' : 'off'} />],
            ['Types', types.join(', ')],
            ['Made', <Time key="made" at={createdAt} />],
            ['By', createdBy],
          ]}
        />
      </Section>
    </>
  );
}

function DeleteWebhook({ webhook: { id }, onClose }: { webhook: Schemas['Webhook']; onClose(): void }) {
  const navigate = useNavigate();
  const deleting = useAct(
    () => api.delete('/v1/webhooks/{id}', { path: { id } }),
    () => navigate({ to: '/webhooks' }),
  );
  return (
    <Confirm
      title="Delete the webhook"
      about="Its program hears of nothing any more. What waits for it goes too."
      act="Delete"
      word="delete"
      acting={deleting}
      onClose={onClose}
    />
  );
}
