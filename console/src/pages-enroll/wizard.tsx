import { useState } from 'react';
import { Link } from '@tanstack/react-router';
import { api, type Schemas } from '../api.js';
import { useAct } from '../parts/acting.js';
import { Copy } from '../parts/copy.js';
import { PageHead } from '../parts/page.js';
import { ProblemNote } from '../parts/problem.js';
import { QrCode } from '../parts/qr.js';
import { Section } from '../parts/shown.js';
import { Arrivals } from './arrivals.js';
import { Check, RightsStep, WhichStep } from './steps.js';
import { bodyOf, firstDraft, type Draft } from './draft.js';

const titles = ['Which devices', 'What they may do', 'Check'] as const;

/** From "these devices" to the devices that came in: two questions, a look at the answer, a command to paste. */
export function EnrollPage() {
  const [draft, setDraft] = useState<Draft>(firstDraft);
  const [step, setStep] = useState(0);
  const [made, setMade] = useState<Schemas['CreatedEnrollment']>();
  const creating = useAct(() => api.post('/v1/enrollments', { body: bodyOf(draft) }), setMade);
  if (made) return <Enrolled made={made} draft={draft} />;
  const change = (part: Partial<Draft>) => setDraft({ ...draft, ...part });
  return (
    <>
      <PageHead title="Enroll devices" back={['Enrollments', '/enroll']} />
      <ol className="steps">
        {titles.map((title, at) => (
          <li key={title} aria-current={at === step ? 'step' : undefined} className={at < step ? 'done' : ''}>
            {title}
          </li>
        ))}
      </ol>
      <form
        className="card"
        onSubmit={(event) => {
          event.preventDefault();
          if (step < titles.length - 1) setStep(step + 1);
          else creating.mutate();
        }}
      >
        <h2>{titles[step]}</h2>
        {step === 0 ? <WhichStep draft={draft} onChange={change} /> : null}
        {step === 1 ? <RightsStep draft={draft} onChange={change} /> : null}
        {step === 2 ? <Check draft={draft} /> : null}
        <ProblemNote error={creating.error} />
        <div className="acts">
          {step === 0 ? null : (
            <button type="button" onClick={() => setStep(step - 1)}>
              Back
            </button>
          )}
          <button type="submit" className="primary" disabled={creating.isPending}>
            {step < titles.length - 1 ? 'Continue' : 'Create the enrollment'}
          </button>
        </div>
      </form>
    </>
  );
}

function Enrolled({ made: { id, token }, draft }: { made: Schemas['CreatedEnrollment']; draft: Draft }) {
  const example = draft.pattern.replaceAll('*', '1').replaceAll('?', '1');
  const command = `thingward agent provision --server ${location.origin} --enrollment ${token} --name ${example} --out ./${example}`;
  return (
    <>
      <PageHead title="The enrollment is ready" back={['Enrollments', '/enroll']}>
        <Link to="/enroll/$id" params={{ id }} className="button">
          Its page
        </Link>
      </PageHead>
      <p className="note warn">
        The token is shown here once. Whoever has it can let in devices named <code>{draft.pattern}</code>, up to{' '}
        {Number(draft.maxUses).toLocaleString()} of them.
      </p>
      <div className="two">
        <Section title="On a device with Node.js">
          <p>Change the name for each device. The key is made on the device and never leaves it.</p>
          <Copy text={command} label="the command" />
          <h3 className="spaced">The token alone</h3>
          <Copy text={token} label="the token" />
        </Section>
        <Section title="On a device with a camera">
          <p>Server and token as JSON, for your installer to scan.</p>
          <QrCode
            text={JSON.stringify({ server: location.origin, enrollment: token })}
            label="QR code of server and enrollment token"
          />
        </Section>
      </div>
      <Arrivals enrollment={id} isWaited={draft.approval} />
    </>
  );
}
