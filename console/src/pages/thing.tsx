import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useState } from 'react';
import { api, background, type Schemas } from '../api.js';
import { Commands } from '../pages-commands/commands.js';
import { AuditRow } from '../pages-operate/audit.js';
import { CertificateList } from '../pages-operate/certificates.js';
import { DecisionList } from '../pages-operate/decisions.js';
import { SessionList } from '../pages-operate/edge.js';
import { Acts } from '../pages-thing/acts.js';
import { Attributes, Identity, InAws } from '../pages-thing/identity.js';
import { Rights } from '../pages-thing/rights.js';
import { Listed, usePages } from '../parts/listed.js';
import { useMay } from '../parts/may.js';
import { Empty, PageHead } from '../parts/page.js';
import { ProblemNote } from '../parts/problem.js';
import { Skeleton } from '../parts/shown.js';
import { Receipts } from './receipts.js';

const route = getRouteApi('/signed-in/things/$name');

/** One thing: what it is, what it holds, what it may do and does now, and who did what to it. */
export function ThingPage() {
  const { name } = route.useParams();
  const may = useMay();
  const { data: thing, error } = useQuery({
    queryKey: ['thing', name],
    queryFn: () => api.get('/v1/things/{name}', { path: { name } }),
  });
  const [outcome, setOutcome] = useState<Schemas['ThingOutcome']>();
  return (
    <>
      <PageHead title={name} back={['Things', '/things']} />
      <ProblemNote error={error} />
      {thing === undefined && !error ? <Skeleton lines={6} /> : null}
      {thing === undefined ? null : <Acts thing={thing} onDone={setOutcome} />}
      {outcome?.position === undefined ? null : <Receipts key={outcome.position} position={outcome.position} />}
      {thing === undefined ? null : (
        <>
          <div className="two spaced">
            <Identity thing={thing} />
            <Attributes thing={thing} />
          </div>
          {thing.aws === undefined ? null : <InAws name={name} aws={thing.aws} />}
        </>
      )}
      {may('certificates:read') ? <Certificates name={name} /> : null}
      <SessionList of={{ thing: name }} label="Live sessions" />
      {thing === undefined ? null : <Commands key={name} thing={thing} />}
      {may('policies:read') ? <Rights name={name} /> : null}
      {may('audit:read') ? (
        <>
          <Decisions name={name} />
          <Audit name={name} />
        </>
      ) : null}
    </>
  );
}

function Certificates({ name }: { name: string }) {
  const list = usePages(['certificates', 'of', name], (cursor, signal) =>
    api.get('/v1/certificates', { query: { thing: name, limit: 20, ...cursor }, signal }),
  );
  return (
    <>
      <h2>Certificates</h2>
      <CertificateList list={list} />
    </>
  );
}

function Decisions({ name }: { name: string }) {
  const list = usePages(['decisions', 'of', name], (cursor) =>
    background.get('/v1/decisions', { query: { thing: name, limit: 10, ...cursor } }),
  );
  return (
    <>
      <h2>Recent decisions</h2>
      <DecisionList list={list} />
    </>
  );
}

function Audit({ name }: { name: string }) {
  const list = usePages(['audit', 'of', name], (cursor, signal) =>
    api.get('/v1/audit', { query: { target: `thing:${name}`, limit: 20, ...cursor }, signal }),
  );
  return (
    <>
      <h2>
        <Link to="/audit" search={{ target: `thing:${name}` }}>
          Audit
        </Link>
      </h2>
      <Listed
        label="Audit"
        head={['When', 'Who', 'What', 'To what', 'From', 'Detail']}
        list={list}
        empty={<Empty title="Nobody did anything to it yet" />}
        row={(entry) => <AuditRow key={entry.id} entry={entry} />}
      />
    </>
  );
}
