import { Link, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { api } from '../api.js';
import { useAct } from '../parts/acting.js';
import { Modal } from '../parts/dialog.js';
import { Listed, usePages } from '../parts/listed.js';
import { useMay } from '../parts/may.js';
import { Empty, PageHead } from '../parts/page.js';
import { SegmentForm } from './segment-form.js';

/** Parts of the network: who is in each, and what it lets through. */
export function SegmentsPage() {
  const may = useMay();
  const navigate = useNavigate();
  const [isAdding, setAdding] = useState(false);
  const list = usePages(['segments', 'all'], (cursor, signal) =>
    api.get('/v1/segments', { query: { limit: 50, ...cursor }, signal }),
  );
  const creating = useAct(
    (body: Parameters<typeof api.post<'/v1/segments'>>[1]['body']) => api.post('/v1/segments', { body }),
    ({ name }) => navigate({ to: '/segments/$name', params: { name } }),
  );
  const add = may('segments:write') ? (
    <button type="button" className="primary" onClick={() => setAdding(true)}>
      New segment
    </button>
  ) : null;
  return (
    <>
      <PageHead title="Segments" about="A thing in a segment is allowed only from its addresses, by its protocols.">
        {add}
      </PageHead>
      <Listed
        label="Segments"
        head={['Name', 'Addresses', 'Security', 'Protocols', 'Things', 'At most']}
        list={list}
        empty={
          <Empty title="There is no segment yet">
            <p>A segment ties things to a part of your network, whatever their policies say.</p>
          </Empty>
        }
        row={({ name, cidr, securityLevel, allowedProtocols, things, deviceLimit }) => (
          <tr key={name}>
            <td>
              <Link to="/segments/$name" params={{ name }}>
                {name}
              </Link>
            </td>
            <td>
              <code>{cidr}</code>
            </td>
            <td>{securityLevel}</td>
            <td>{allowedProtocols.join(', ')}</td>
            <td>{things.toLocaleString()}</td>
            <td>{deviceLimit.toLocaleString()}</td>
          </tr>
        )}
      />
      {isAdding ? (
        <Modal
          title="New segment"
          about="Addresses and protocols are checked at each decision."
          open
          onClose={() => setAdding(false)}
        >
          <SegmentForm
            act="Create"
            saving={creating}
            onSave={(name, change) => creating.mutate({ name, ...change })}
            onClose={() => setAdding(false)}
          />
        </Modal>
      ) : null}
    </>
  );
}
