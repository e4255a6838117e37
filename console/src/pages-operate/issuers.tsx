import { useQuery } from '@tanstack/react-query';
import { useState, type ReactNode } from 'react';
import { api, type Schemas } from '../api.js';
import { useAct } from '../parts/acting.js';
import { Confirm } from '../parts/confirm.js';
import { useMay } from '../parts/may.js';
import { PageHead, Pairs } from '../parts/page.js';
import { ProblemNote } from '../parts/problem.js';
import { Field, Section, Skeleton, Time } from '../parts/shown.js';
import { useTell } from '../parts/told.js';

type Issuer = Schemas['Issuer'];

/** The authorities of the account, and the lists that they publish. */
export function IssuersPage() {
  const me = useMay();
  const { data, error } = useQuery({ queryKey: ['issuers'], queryFn: () => api.get('/v1/issuers') });
  return (
    <>
      <PageHead
        title="Issuers and lists"
        about="Who signs the certificates of your things, and where others read which are revoked."
      >
        <a className="button" href="/v1/revocations/snapshot.jws" download="snapshot.jws">
          Signed snapshot
        </a>
      </PageHead>
      <ProblemNote error={error} />
      {data === undefined && !error ? <Skeleton lines={8} /> : null}
      {data?.items.map((issuer) => (
        <IssuerCard key={issuer.id} issuer={issuer} isOpen={me('issuers:write')} />
      ))}
    </>
  );
}

const titles = {
  root: 'Root authority',
  issuing: 'Issuing authority',
  intermediate: 'Intermediate authority',
} satisfies Record<Issuer['kind'], string>;

const statuses = {
  waiting: 'waits for its certificate',
  prepared: 'prepared: in every bundle, and does not issue yet',
  active: 'active',
  retired: 'retired: its list goes on until it expires',
} satisfies Record<Issuer['status'], string>;

function IssuerCard({ issuer, isOpen }: { issuer: Issuer; isOpen: boolean }) {
  const { id, kind, status, notBefore, notAfter, listEnds } = issuer;
  const doesIssue = kind !== 'root' && issuer.keyPlace === 'here';
  const age = useQuery({ queryKey: ['list-age', id], queryFn: () => ageOf(id) });
  return (
    <Section title={titles[kind]}>
      <Pairs
        rows={[
          ['Id', <code key="id">{id}</code>],
          ['Status', statuses[status]],
          ['Valid from', notBefore === undefined ? '–' : <Time key="from" at={notBefore} />],
          ['Until', notAfter === undefined ? '–' : <Time key="until" at={notAfter} />],
          ...(listEnds === undefined ? [] : [['List ends', <Time key="ends" at={listEnds} />] as [string, ReactNode]]),
          ['List signed', age.data?.signedAt === undefined ? '–' : <Time key="signed" at={age.data.signedAt} />],
          ['List is', age.data === undefined ? '–' : `${age.data.octets.toLocaleString()} octets`],
        ]}
      />
      <p className="acts">
        <a href={`/crl/${id}.crl`} download>
          List (DER)
        </a>
        <a href={`/crl/${id}.pem`} download>
          List (PEM)
        </a>
        {issuer.deltaList ? (
          <a href={`/crl/${id}/delta.crl`} download>
            Delta list
          </a>
        ) : null}
        {doesIssue ? (
          <>
            <a href={`/status/${id}`} download>
              Status list
            </a>
            <a href={`/status/${id}.gaps`} download>
              Compact list
            </a>
          </>
        ) : null}
      </p>
      <ProblemNote error={age.error} />
      {doesIssue && isOpen ? <IssuerSettings issuer={issuer} /> : null}
    </Section>
  );
}

type Age = { signedAt?: string; octets: number };

async function ageOf(id: string): Promise<Age> {
  const { headers } = await fetch(`/crl/${id}.crl`, { method: 'HEAD' });
  const octets = Number(headers.get('content-length') ?? 0);
  const signed = headers.get('last-modified');
  if (signed === null || Number.isNaN(Date.parse(signed))) return { octets };
  return { octets, signedAt: new Date(signed).toISOString() };
}

function IssuerSettings({ issuer }: { issuer: Issuer }) {
  const tell = useTell();
  const { id, listSuperseded, shards, deltaList, distributionPoint, listMaxAge } = issuer;
  const first = { listSuperseded, shards, deltaList, distributionPoint, listMaxAge };
  const [edited, setEdited] = useState(first);
  const [isAsking, setAsking] = useState(false);
  const saving = useAct(
    () => api.patch('/v1/issuers/{id}', { path: { id }, body: edited }),
    () => {
      setAsking(false);
      tell({ text: 'The settings of the authority are saved.' });
    },
  );
  const check = (name: 'listSuperseded' | 'deltaList' | 'distributionPoint', label: string) => (
    <label className="check">
      <input
        type="checkbox"
        checked={edited[name]}
        onChange={({ target }) => setEdited({ ...edited, [name]: target.checked })}
      />
      {label}
    </label>
  );
  const changed = (Object.keys(first) as (keyof typeof first)[]).filter((name) => first[name] !== edited[name]);
  return (
    <details>
      <summary>Settings of its lists</summary>
      <form
        className="form"
        onSubmit={(event) => {
          event.preventDefault();
          setAsking(true);
        }}
      >
        <div>
          {check('listSuperseded', 'Lists name superseded certificates')}
          {check('deltaList', 'A delta list is published')}
          {check('distributionPoint', 'Certificates say where their list is')}
        </div>
        <Field label="Shards" hint="How many lists share its certificates">
          <input
            type="number"
            min="0"
            value={edited.shards}
            onChange={({ target }) => setEdited({ ...edited, shards: Number(target.value) })}
          />
        </Field>
        <Field label="Seconds that a list may be kept">
          <input
            type="number"
            min="0"
            value={edited.listMaxAge}
            onChange={({ target }) => setEdited({ ...edited, listMaxAge: Number(target.value) })}
          />
        </Field>
        <div className="acts">
          <button type="submit" disabled={changed.length === 0}>
            Save…
          </button>
        </div>
      </form>
      {isAsking ? (
        <Confirm
          title="Change the lists of this authority"
          about="Everybody who reads its lists sees it. New certificates follow the new settings; old ones keep theirs."
          act="Save"
          acting={saving}
          onClose={() => setAsking(false)}
        >
          <ul className="note warn codes-list">
            {changed.map((name) => (
              <li key={name}>
                {name}: {String(first[name])} becomes <strong>{String(edited[name])}</strong>
              </li>
            ))}
          </ul>
        </Confirm>
      ) : null}
    </details>
  );
}
