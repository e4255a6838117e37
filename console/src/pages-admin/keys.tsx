import { useState } from 'react';
import { api, type Schemas } from '../api.js';
import { useAct } from '../parts/acting.js';
import { Confirm } from '../parts/confirm.js';
import { Listed, usePages } from '../parts/listed.js';
import { useMay } from '../parts/may.js';
import { Empty, PageHead } from '../parts/page.js';
import { ShownOnce } from '../parts/shown-once.js';
import { Status, Time } from '../parts/shown.js';
import { grantOf } from './grants.js';
import { EditKey, NewKey } from './key-forms.js';

type ApiKey = Schemas['ApiKey'];
type Asked = { kind: 'new' } | { kind: 'edit' | 'delete'; key: ApiKey } | { kind: 'made'; secret: string };

/** What programs sign in with. */
export function KeysPage() {
  const may = useMay();
  const [asked, setAsked] = useState<Asked>();
  const close = () => setAsked(undefined);
  const list = usePages(['keys'], (cursor, signal) =>
    api.get('/v1/api-keys', { query: { limit: 50, ...cursor }, signal }),
  );
  const create = may('keys:write') ? (
    <button type="button" className="primary" onClick={() => setAsked({ kind: 'new' })}>
      New key
    </button>
  ) : null;
  return (
    <>
      <PageHead title="Keys" about="What programs sign in with: proxies, edges, scripts. People sign in by themselves.">
        {create}
      </PageHead>
      <Listed
        label="API keys"
        head={['Name', 'May', 'Promises', 'Ends', 'Created', 'By', 'Act']}
        list={list}
        empty={<Empty title="There is no key">{create}</Empty>}
        row={(key) => (
          <tr key={key.id}>
            <td className="wide">
              {key.name ?? <code>{key.id}</code>}
              {key.description === undefined ? null : (
                <>
                  <br />
                  <small>{key.description}</small>
                </>
              )}
            </td>
            <td>{grantOf(key)}</td>
            <td>{promisesOf(key) || '–'}</td>
            <td>{key.expiresAt === undefined ? 'never' : <Time at={key.expiresAt} />}</td>
            <td>
              <Time at={key.createdAt} />
            </td>
            <td>{key.person === undefined ? key.createdBy : <Status of="of a person" />}</td>
            <td className="act">
              {may('keys:write') ? (
                <>
                  <button type="button" className="quiet" onClick={() => setAsked({ kind: 'edit', key })}>
                    Edit
                  </button>{' '}
                  <button type="button" className="quiet danger" onClick={() => setAsked({ kind: 'delete', key })}>
                    Delete…
                  </button>
                </>
              ) : null}
            </td>
          </tr>
        )}
      />
      {asked?.kind === 'new' ? (
        <NewKey onClose={close} onMade={(secret) => setAsked({ kind: 'made', secret })} />
      ) : null}
      {asked?.kind === 'made' ? (
        <ShownOnce
          title="The key"
          about="It is shown here once. Keep it where the program finds it."
          secret={asked.secret}
          label="the key"
          onClose={close}
        />
      ) : null}
      {asked?.kind === 'edit' ? <EditKey apiKey={asked.key} onClose={close} /> : null}
      {asked?.kind === 'delete' ? <DeleteKey apiKey={asked.key} onClose={close} /> : null}
    </>
  );
}

function promisesOf({ bearer, enforcesCrl, followsFeed, inUrl }: ApiKey): string {
  const said = { bearer, 'enforces lists': enforcesCrl, 'follows the feed': followsFeed, 'stands in a URL': inUrl };
  return Object.entries(said)
    .filter(([, holds]) => holds)
    .map(([name]) => name)
    .join(', ');
}

function DeleteKey({ apiKey: { id, name }, onClose }: { apiKey: ApiKey; onClose(): void }) {
  const deleting = useAct(() => api.delete('/v1/api-keys/{id}', { path: { id } }), onClose);
  return (
    <Confirm
      title={`Delete ${name ?? 'this key'}`}
      about="Whatever uses it is refused from now on, everywhere. That cannot be undone."
      act="Delete"
      word={name ?? 'delete'}
      acting={deleting}
      onClose={onClose}
    />
  );
}
