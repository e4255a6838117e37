import { useState } from 'react';
import { api, type Schemas } from '../api.js';
import { RevokeDialog } from '../pages/revoke.js';
import { useAct } from '../parts/acting.js';
import { useMay } from '../parts/may.js';
import { ProblemNote } from '../parts/problem.js';
import { Status } from '../parts/shown.js';
import { useTell } from '../parts/told.js';
import { DeleteDialog, PoliciesDialog, ReenrollDialog } from './dialogs.js';

type Thing = Schemas['ThingWithSessions'];
type Outcome = Schemas['ThingOutcome'];
type Asked = 'revoke' | 'reenroll' | 'policies' | 'delete';

/** What can be done to a thing. What costs its device something asks first. */
export function Acts({ thing, onDone }: { thing: Thing; onDone(outcome: Outcome): void }) {
  const { name, status } = thing;
  const may = useMay();
  const tell = useTell();
  const [asked, setAsked] = useState<Asked>();
  const close = () => setAsked(undefined);
  const turn = (act: 'suspend' | 'resume') =>
    act === 'suspend'
      ? api.post('/v1/things/{name}/suspend', { path: { name } })
      : api.post('/v1/things/{name}/resume', { path: { name } });
  const undoing = useAct(turn, onDone);
  const turning = useAct(turn, (outcome, act) => {
    tell({
      text: act === 'suspend' ? `${name} is suspended.` : `${name} is active again.`,
      undo: () => undoing.mutate(act === 'suspend' ? 'resume' : 'suspend'),
    });
    onDone(outcome);
  });
  return (
    <>
      <div className="acts">
        <Status of={status} />
        {may('certificates:revoke') && isLive(thing) ? (
          <button
            type="button"
            disabled={turning.isPending}
            onClick={() => turning.mutate(status === 'active' ? 'suspend' : 'resume')}
          >
            {status === 'active' ? 'Suspend' : 'Resume'}
          </button>
        ) : null}
        {offered
          .filter(({ fits, needs }) => fits(thing) && needs.every(may))
          .map(({ kind, title, tone }) => (
            <button key={kind} type="button" className={tone} onClick={() => setAsked(kind)}>
              {title}
            </button>
          ))}
      </div>
      <ProblemNote error={turning.error ?? undoing.error} />
      {asked === undefined ? null : (
        <Dialog
          kind={asked}
          thing={thing}
          onClose={close}
          onRevoked={(outcome) => {
            close();
            onDone(outcome);
          }}
        />
      )}
    </>
  );
}

const isLive = ({ status }: Thing): boolean => status === 'active' || status === 'suspended';

type Offered = {
  kind: Asked;
  title: string;
  tone: string;
  needs: Schemas['Permission'][];
  fits(thing: Thing): boolean;
};

const offered: Offered[] = [
  { kind: 'policies', title: 'Policies…', tone: '', needs: ['policies:attach'], fits: isLive },
  {
    kind: 'reenroll',
    title: 'Re-enroll…',
    tone: '',
    needs: ['certificates:revoke', 'things:write'],
    fits: ({ status }) => status !== 'deleted',
  },
  { kind: 'revoke', title: 'Revoke…', tone: 'danger', needs: ['certificates:revoke'], fits: isLive },
  {
    kind: 'delete',
    title: 'Delete…',
    tone: 'danger',
    needs: ['certificates:revoke'],
    fits: ({ status }) => status === 'revoked',
  },
];

type DialogProps = { kind: Asked; thing: Thing; onClose(): void; onRevoked(outcome: Outcome): void };

function Dialog({ kind, thing, onClose, onRevoked }: DialogProps) {
  switch (kind) {
    case 'revoke':
      return <RevokeDialog thing={thing} onClose={onClose} onRevoked={onRevoked} />;
    case 'reenroll':
      return <ReenrollDialog thing={thing} onClose={onClose} />;
    case 'policies':
      return <PoliciesDialog thing={thing} onClose={onClose} />;
    case 'delete':
      return <DeleteDialog thing={thing} onClose={onClose} />;
  }
}
