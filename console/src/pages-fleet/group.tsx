import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { api } from '../api.js';
import { useAct } from '../parts/acting.js';
import { Confirm } from '../parts/confirm.js';
import { Modal } from '../parts/dialog.js';
import { useMay } from '../parts/may.js';
import { PageHead, Pairs } from '../parts/page.js';
import { ProblemNote } from '../parts/problem.js';
import { Section, Skeleton, Time } from '../parts/shown.js';
import { Found } from './found.js';
import { GroupForm } from './group-form.js';
import { queryOf, textOf } from './query.js';

const route = getRouteApi('/signed-in/groups/$name');

/** One group: what it asks, what that finds now, and what can be done with it. */
export function GroupPage() {
  const { name } = route.useParams();
  const may = useMay();
  const navigate = useNavigate();
  const [asking, setAsking] = useState<'edit' | 'delete'>();
  const close = () => setAsking(undefined);
  const { data, error } = useQuery({
    queryKey: ['groups', 'one', name],
    queryFn: () => api.get('/v1/groups/{name}', { path: { name } }),
  });
  const saving = useAct(
    ({ query }: { query: string }) =>
      api.patch('/v1/groups/{name}', { path: { name }, body: { query: queryOf(query) } }),
    close,
  );
  const deleting = useAct(
    () => api.delete('/v1/groups/{name}', { path: { name } }),
    () => navigate({ to: '/groups' }),
  );
  return (
    <>
      <PageHead title={name} back={['Groups', '/groups']}>
        {may('things:write') ? (
          <>
            <Link to="/campaigns/new" search={{ group: name }} className="button primary">
              Start a campaign
            </Link>
            <button type="button" onClick={() => setAsking('edit')}>
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
      {data === undefined ? null : (
        <Section title="What it asks">
          <pre>{textOf(data.query)}</pre>
          <Found query={textOf(data.query)} />
          <Pairs
            rows={[
              ['Changed', <Time key="changed" at={data.changedAt} />],
              ['Made', <Time key="made" at={data.createdAt} />],
              ['Made by', data.createdBy],
            ]}
          />
          <div className="acts">
            <Link to="/things" search={{ group: name }} className="button">
              Show its things
            </Link>
          </div>
        </Section>
      )}
      {asking === 'edit' && data ? (
        <Modal title={`Edit ${name}`} about="Campaigns that run keep the things that they found." open onClose={close}>
          <GroupForm group={data} act="Save" saving={saving} onSave={saving.mutate} onClose={close} />
        </Modal>
      ) : null}
      {asking === 'delete' ? (
        <Confirm
          title={`Delete ${name}`}
          about="The things stay as they are. A group that a campaign uses is not deleted."
          act="Delete"
          word={name}
          acting={deleting}
          onClose={close}
        />
      ) : null}
    </>
  );
}
