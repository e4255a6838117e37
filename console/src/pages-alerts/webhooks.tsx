import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { api } from '../api.js';
import { Listed, usePages } from '../parts/listed.js';
import { useMay } from '../parts/may.js';
import { Empty, PageHead } from '../parts/page.js';
import { ShownOnce } from '../parts/shown-once.js';
import { Status, Time } from '../parts/shown.js';
import { WebhookForm } from './webhook-form.js';

type Asked = { kind: 'new' } | { kind: 'made'; secret: string };

/** Which programs hear of what happens in the account. */
export function WebhooksPage() {
  const may = useMay();
  const [asked, setAsked] = useState<Asked>();
  const close = () => setAsked(undefined);
  const list = usePages(['webhooks'], (cursor, signal) =>
    api.get('/v1/webhooks', { query: { limit: 50, ...cursor }, signal }),
  );
  const add = may('webhooks:write') ? (
    <button type="button" className="primary" onClick={() => setAsked({ kind: 'new' })}>
      New webhook
    </button>
  ) : null;
  return (
    <>
      <PageHead
        title="Webhooks"
        about="Programs of yours hear of what happens: CloudEvents, signed, at least once, for each thing in order."
      >
        {add}
      </PageHead>
      <Listed
        label="Webhooks"
        head={['Where', 'State', 'Types', 'Made']}
        list={list}
        empty={
          <Empty title="No program hears of what happens">
            <p>A webhook is told of the types that you choose, and says which events it did not take.</p>
          </Empty>
        }
        row={({ id, url, description, enabled, fullSince, types, createdAt }) => (
          <tr key={id}>
            <td className="wide">
              <Link to="/webhooks/$id" params={{ id }}>
                {url}
              </Link>
              {description === '' ? null : (
                <>
                  <br />
                  <small>{description}</small>
                </>
              )}
            </td>
            <td>
              <Status of={fullSince === undefined ? (enabled ? 'on' : 'off') : 'full'} />
            </td>
            <td className="wide">{types.join(', ')}</td>
            <td>
              <Time at={createdAt} />
            </td>
          </tr>
        )}
      />
      {asked?.kind === 'new' ? (
        <WebhookForm onClose={close} onMade={(secret) => setAsked({ kind: 'made', secret })} />
      ) : null}
      {asked?.kind === 'made' ? (
        <ShownOnce
          title="The secret of the webhook"
          about="It signs what is told (Standard Webhooks). It is shown here once: keep it where the receiver finds it."
          secret={asked.secret}
          label="the secret"
          onClose={close}
        />
      ) : null}
    </>
  );
}
