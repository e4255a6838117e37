import { Link, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { api } from '../api.js';
import { useAct } from '../parts/acting.js';
import { Modal } from '../parts/dialog.js';
import { Listed, usePages } from '../parts/listed.js';
import { useMay } from '../parts/may.js';
import { Empty, PageHead } from '../parts/page.js';
import { Time } from '../parts/shown.js';
import { GroupForm } from './group-form.js';
import { queryOf, textOf } from './query.js';

/** Questions about things that have a name. */
export function GroupsPage() {
  const may = useMay();
  const navigate = useNavigate();
  const [isAdding, setAdding] = useState(false);
  const list = usePages(['groups', 'all'], (cursor, signal) =>
    api.get('/v1/groups', { query: { limit: 50, ...cursor }, signal }),
  );
  const creating = useAct(
    ({ name, query }: { name: string; query: string }) =>
      api.post('/v1/groups', { body: { name, query: queryOf(query) } }),
    ({ name }) => navigate({ to: '/groups/$name', params: { name } }),
  );
  const add = may('things:write') ? (
    <button type="button" className="primary" onClick={() => setAdding(true)}>
      New group
    </button>
  ) : null;
  return (
    <>
      <PageHead
        title="Groups"
        about="A question about things, with a name. Each act asks it anew: nothing stays attached."
      >
        {add}
      </PageHead>
      <Listed
        label="Groups"
        head={['Name', 'Things that', 'Changed', 'Made by']}
        list={list}
        empty={
          <Empty title="There is no group yet">
            <p>A group such as type = pump and attributes.site = oslo is for lists, campaigns and bulk revocations.</p>
          </Empty>
        }
        row={({ name, query, changedAt, createdBy }) => (
          <tr key={name}>
            <td>
              <Link to="/groups/$name" params={{ name }}>
                {name}
              </Link>
            </td>
            <td className="long">
              <code>{textOf(query)}</code>
            </td>
            <td>
              <Time at={changedAt} />
            </td>
            <td className="long">{createdBy}</td>
          </tr>
        )}
      />
      {isAdding ? (
        <Modal title="New group" about="See what it finds before you keep it." open onClose={() => setAdding(false)}>
          <GroupForm act="Create" saving={creating} onSave={creating.mutate} onClose={() => setAdding(false)} />
        </Modal>
      ) : null}
    </>
  );
}
