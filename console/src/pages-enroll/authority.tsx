import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { ProblemError } from '../../../src/client/client.js';
import { api } from '../api.js';
import { useAct } from '../parts/acting.js';
import { Copy } from '../parts/copy.js';
import { PageHead } from '../parts/page.js';
import { ProblemNote } from '../parts/problem.js';
import { Field, Section } from '../parts/shown.js';
import { authorityBodyOf, firstAuthority, type AuthorityDraft } from './authority-draft.js';

type Props = { draft: AuthorityDraft; onChange(part: Partial<AuthorityDraft>): void };

/** Devices that hold a certificate of their manufacturer: whose authority, how they are called, and the proof that it may. */
export function AuthorityPage() {
  const navigate = useNavigate();
  const [draft, setDraft] = useState(firstAuthority);
  const [code, setCode] = useState<string>();
  const creating = useAct(
    async () => {
      try {
        return await api.post('/v1/enrollments', { body: authorityBodyOf(draft) });
      } catch (error) {
        setCode((before) => codeIn(error) ?? before);
        throw error;
      }
    },
    ({ id }) => navigate({ to: '/enroll/$id', params: { id } }),
  );
  const change = (part: Partial<AuthorityDraft>) => setDraft({ ...draft, ...part });
  // The refusal that brings the code is the answer that was asked for.
  const isAnswer = codeIn(creating.error) !== undefined && draft.proof.trim() === '';
  return (
    <>
      <PageHead
        title="Admit devices of a manufacturer"
        back={['Enrollments', '/enroll']}
        about="They show the certificate that they left the factory with, and get one of yours. No token is put on them."
      />
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          creating.mutate();
        }}
      >
        <Section title="The authority">
          <WhoseDevices draft={draft} onChange={change} />
        </Section>
        {draft.admits === 'proved' && code !== undefined ? (
          <Section title="Show that the authority is yours">
            <Proof code={code} draft={draft} onChange={change} />
          </Section>
        ) : null}
        {isAnswer ? null : <ProblemNote error={creating.error} />}
        <div className="acts">
          <button type="submit" className="primary" disabled={creating.isPending}>
            {draft.admits === 'proved' && code === undefined ? 'Get the code' : 'Create the enrollment'}
          </button>
        </div>
      </form>
    </>
  );
}

/** The code that a certificate has to carry, as a refusal names it. */
function codeIn(error: unknown): string | undefined {
  if (!(error instanceof ProblemError)) return undefined;
  const { verificationCode } = error.problem;
  return typeof verificationCode === 'string' ? verificationCode : undefined;
}

function WhoseDevices({ draft, onChange }: Props) {
  return (
    <div className="form">
      <div className="wide">
        <Field
          label="Certificates of the authority"
          hint="PEM: the one whose devices are meant, and those above it as far as you have them"
        >
          <textarea
            className="recorded"
            value={draft.certificates}
            onChange={({ target }) => onChange({ certificates: target.value })}
            rows={8}
            required
            spellCheck={false}
          />
        </Field>
      </div>
      <Field
        label="How a thing is named"
        hint="Text with {CN}, {serialNumber}, {hwType}, {hwSerialNum} or {hwSerialNumHex} of the certificate of the device"
      >
        <input
          value={draft.thingName}
          onChange={({ target }) => onChange({ thingName: target.value })}
          required
          spellCheck={false}
        />
      </Field>
      <Field label="Names that it covers" hint="* stands for any text, ? for one character">
        <input
          value={draft.pattern}
          onChange={({ target }) => onChange({ pattern: target.value })}
          required
          spellCheck={false}
        />
      </Field>
      <Field label="Policies" hint="With spaces or commas between them">
        <input value={draft.policies} onChange={({ target }) => onChange({ policies: target.value })} required />
      </Field>
      <Field label="How many at most">
        <input
          type="number"
          min="1"
          max="10000000"
          value={draft.maxUses}
          onChange={({ target }) => onChange({ maxUses: target.value })}
          required
        />
      </Field>
      <div className="wide">
        <Field label="Which of its devices" hint="The CA of a manufacturer also signs the devices of other customers.">
          <select
            value={draft.admits}
            onChange={({ target }) => onChange({ admits: target.value as AuthorityDraft['admits'] })}
          >
            <option value="proved">all: the authority is ours, and we show that we have its key</option>
            <option value="expected">only things that are expected</option>
          </select>
        </Field>
      </div>
    </div>
  );
}

const commands = (code: string): string =>
  [
    `openssl req -new -newkey rsa:2048 -nodes -keyout verify.key -out verify.csr -subj "/CN=${code}"`,
    'openssl x509 -req -in verify.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 1 -out verify.pem',
  ].join('\n');

function Proof({ code, draft, onChange }: Props & { code: string }) {
  return (
    <div className="stack">
      <p>
        Sign a certificate that is called by this code with the key of the authority. Whoever has the key runs these two
        commands beside it, or the manufacturer does that for you. The code is for this account and this key alone.
      </p>
      <Copy text={code} label="the code" />
      <Copy text={commands(code)} label="the commands" />
      <Field label="The certificate that it signed" hint="PEM: what is in verify.pem">
        <textarea
          className="recorded"
          value={draft.proof}
          onChange={({ target }) => onChange({ proof: target.value })}
          rows={8}
          required
          spellCheck={false}
        />
      </Field>
    </div>
  );
}
