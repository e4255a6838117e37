import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api, type Schemas } from '../api.js';
import { useAct } from '../parts/acting.js';
import { Confirm } from '../parts/confirm.js';
import { Copy } from '../parts/copy.js';
import { useMay } from '../parts/may.js';
import { Empty, PageHead, Pairs } from '../parts/page.js';
import { ProblemNote } from '../parts/problem.js';
import { Section, Skeleton } from '../parts/shown.js';
import { ProviderForm } from './provider-form.js';

type Provider = Schemas['SignInProvider'];

/** Where people sign in who have no passkey or password here. */
export function ProvidersPage() {
  const may = useMay();
  const [asked, setAsked] = useState<{ kind: 'new' } | { kind: 'edit' | 'delete'; provider: Provider }>();
  const close = () => setAsked(undefined);
  const { data, error } = useQuery({ queryKey: ['providers'], queryFn: () => api.get('/v1/sign-in/providers') });
  const add = may('people:write') ? (
    <button type="button" className="primary" onClick={() => setAsked({ kind: 'new' })}>
      Add a provider
    </button>
  ) : null;
  return (
    <>
      <PageHead
        title="Providers"
        about="Single sign-on by OpenID Connect: your provider says who somebody is and what they are."
      >
        {add}
      </PageHead>
      <ProblemNote error={error} />
      {data === undefined && !error ? <Skeleton /> : null}
      {data?.items.length === 0 ? (
        <Empty title="Nobody signs in through a provider">
          <p>Register Thingward at Keycloak, Entra, Okta or another provider first, then add it here.</p>
        </Empty>
      ) : null}
      {data?.items.map((provider) => (
        <Section key={provider.id} title={provider.name}>
          <ProviderFacts provider={provider} />
          {may('people:write') ? (
            <div className="acts">
              <button type="button" className="quiet" onClick={() => setAsked({ kind: 'edit', provider })}>
                Edit
              </button>
              <button type="button" className="quiet danger" onClick={() => setAsked({ kind: 'delete', provider })}>
                Delete…
              </button>
            </div>
          ) : null}
        </Section>
      ))}
      {asked?.kind === 'new' ? <ProviderForm onClose={close} /> : null}
      {asked?.kind === 'edit' ? <ProviderForm provider={asked.provider} onClose={close} /> : null}
      {asked?.kind === 'delete' ? <DeleteProvider provider={asked.provider} onClose={close} /> : null}
    </>
  );
}

function ProviderFacts({ provider }: { provider: Provider }) {
  const { issuer, clientId, roleClaim, roleMapping, defaultRole, requiredAcr, requiredAmr, allowedDomains } = provider;
  return (
    <>
      <Pairs
        rows={[
          ['Issuer', issuer],
          ['Client id', clientId],
          [
            `Claim ${roleClaim}`,
            Object.entries(roleMapping)
              .map((pair) => pair.join(' → '))
              .join(', ') || '–',
          ],
          ['Everybody else', defaultRole ?? 'is refused'],
          ['Needs', [...requiredAcr, ...requiredAmr].join(', ') || 'nothing more'],
          ['Domains', allowedDomains.join(', ') || 'any'],
        ]}
      />
      <details>
        <summary>Addresses to register at the provider</summary>
        <div className="stack">
          <Copy text={provider.redirectUri} label="the redirect address" />
          <Copy text={provider.backchannelLogoutUri} label="the address for back-channel logout" />
        </div>
      </details>
    </>
  );
}

function DeleteProvider({ provider: { id, name }, onClose }: { provider: Provider; onClose(): void }) {
  const deleting = useAct(() => api.delete('/v1/sign-in/providers/{id}', { path: { id } }), onClose);
  return (
    <Confirm
      title={`Delete ${name}`}
      about="Who signs in through it alone has no way in any more, and their sessions end."
      act="Delete"
      word={name}
      acting={deleting}
      onClose={onClose}
    />
  );
}
