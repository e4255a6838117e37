import { getRouteApi, Link } from '@tanstack/react-router';
import { useState } from 'react';
import { api, type Schemas } from '../api.js';
import { inDays } from '../clock.js';
import { Receipts } from '../pages/receipts.js';
import { useAct } from '../parts/acting.js';
import { Confirm } from '../parts/confirm.js';
import { Listed, usePages, type Pages } from '../parts/listed.js';
import { useMay } from '../parts/may.js';
import { Empty, PageHead } from '../parts/page.js';
import { saveFile } from '../parts/save.js';
import { Field, Status, Time } from '../parts/shown.js';

const route = getRouteApi('/signed-in/certificates');

type Certificate = Schemas['Certificate'];
type Reason = Schemas['RevocationReason'];

const views = [
  ['By their end', {}],
  ['End within 7 days', { within: 7 }],
  ['Within 30 days', { within: 30 }],
  ['Held', { status: 'held' }],
  ['Revoked', { status: 'revoked' }],
] as const;

/** Every certificate, those that end first at the top. */
export function CertificatesPage() {
  const { within, status, serialNumber } = route.useSearch();
  const asked = {
    ...(within === undefined ? {} : { status: 'active' as const, expiringBefore: inDays(within) }),
    ...(status === undefined ? {} : { status }),
    ...(serialNumber === undefined ? {} : { serialNumber }),
  };
  const list = usePages(['certificates', within, status, serialNumber], (cursor, signal) =>
    api.get('/v1/certificates', { query: { limit: 50, sort: 'notAfter', ...asked, ...cursor }, signal }),
  );
  return (
    <>
      <PageHead title="Certificates" about="Those that end first stand at the top." />
      <nav className="tabs" aria-label="Which certificates">
        {views.map(([title, view]) => (
          <Link key={title} to="/certificates" search={view} activeOptions={{ exact: true }}>
            {title}
          </Link>
        ))}
      </nav>
      <CertificateList list={list} withThing />
    </>
  );
}

/** Certificates, each with what can be done to it alone. */
export function CertificateList({ list, withThing = false }: { list: Pages<Certificate>; withThing?: boolean }) {
  const may = useMay();
  const [chosen, setChosen] = useState<{ certificate: Certificate; act: 'revoke' | 'release' }>();
  const [position, setPosition] = useState<number>();
  return (
    <>
      {position === undefined ? null : <Receipts key={position} position={position} />}
      <Listed
        label="Certificates"
        head={[...(withThing ? ['Thing'] : []), 'Serial number', 'Status', 'Valid from', 'Until', 'Reason', 'Act']}
        list={list}
        empty={
          <Empty title="No certificate matches">
            <p>Choose another view above.</p>
          </Empty>
        }
        row={(certificate) => (
          <tr key={certificate.serialNumber}>
            {withThing ? (
              <td>
                <Link to="/things/$name" params={{ name: certificate.thingName }}>
                  {certificate.thingName}
                </Link>
              </td>
            ) : null}
            <td>
              <code>{certificate.serialNumber}</code>
            </td>
            <td>
              <Status of={certificate.status} />
            </td>
            <td>
              <Time at={certificate.notBefore} />
            </td>
            <td>
              <Time at={certificate.notAfter} />
            </td>
            <td>{certificate.reason ?? '–'}</td>
            <td className="act">
              <Acts certificate={certificate} may={may} onChoose={(act) => setChosen({ certificate, act })} />
            </td>
          </tr>
        )}
      />
      {chosen === undefined ? null : (
        <CertificateAct {...chosen} onClose={() => setChosen(undefined)} onDone={setPosition} />
      )}
    </>
  );
}

type ActsProps = {
  certificate: Certificate;
  may: ReturnType<typeof useMay>;
  onChoose(act: 'revoke' | 'release'): void;
};

function Acts({ certificate: { serialNumber, status, pem }, may, onChoose }: ActsProps) {
  const isLive = status === 'active' || status === 'held' || status === 'superseded';
  return (
    <>
      <button
        type="button"
        className="quiet"
        aria-label={`PEM of ${serialNumber}`}
        onClick={() => saveFile(`${serialNumber}.pem`, 'application/x-pem-file', pem)}
      >
        PEM
      </button>{' '}
      {status === 'held' && may('certificates:release') ? (
        <button type="button" className="quiet" onClick={() => onChoose('release')}>
          Release…
        </button>
      ) : null}{' '}
      {isLive && may('certificates:revoke') ? (
        <button
          type="button"
          className="quiet danger"
          aria-label={`Revoke ${serialNumber}`}
          onClick={() => onChoose('revoke')}
        >
          Revoke…
        </button>
      ) : null}
    </>
  );
}

const reasons: Record<Reason, string> = {
  certificateHold: 'Hold it: it can be released again',
  cessationOfOperation: 'Its device is out of operation',
  keyCompromise: 'Its key was compromised (bars the key for ever)',
  superseded: 'Another certificate took its place',
  privilegeWithdrawn: 'Its device lost its rights',
  affiliationChanged: 'Its device belongs to somebody else now',
  unspecified: 'Unspecified',
};

type ActProps = {
  certificate: Certificate;
  act: 'revoke' | 'release';
  onClose(): void;
  onDone(position: number): void;
};

function CertificateAct({ certificate: { serialNumber, thingName }, act, onClose, onDone }: ActProps) {
  const [reason, setReason] = useState<Reason>('cessationOfOperation');
  const path = { serialNumber };
  const acting = useAct(
    (): Promise<{ position: number }> =>
      act === 'revoke'
        ? api.post('/v1/certificates/{serialNumber}/revoke', { path, body: { reason } })
        : api.post('/v1/certificates/{serialNumber}/release', { path }),
    ({ position }) => {
      onDone(position);
      onClose();
    },
  );
  if (act === 'release')
    return (
      <Confirm
        title={`Release a certificate of ${thingName}`}
        about="It counts again at once, everywhere."
        act="Release"
        acting={acting}
        onClose={onClose}
      />
    );
  return (
    <Confirm
      title={`Revoke one certificate of ${thingName}`}
      about="Other certificates of the thing stay. Only a hold can be undone."
      act={reason === 'certificateHold' ? 'Hold' : 'Revoke'}
      word={thingName}
      acting={acting}
      onClose={onClose}
    >
      <p>
        <code className="long">{serialNumber}</code>
      </p>
      <Field label="Reason">
        <select value={reason} onChange={({ target }) => setReason(target.value as Reason)}>
          {Object.entries(reasons).map(([value, title]) => (
            <option key={value} value={value}>
              {title}
            </option>
          ))}
        </select>
      </Field>
    </Confirm>
  );
}
