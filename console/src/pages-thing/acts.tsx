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
  const isLive = status === 'active' || status === 'suspended';
  const button = (title: string, kind: Asked, tone = '') => (
    <button type="button" className={tone} onClick={() => setAsked(kind)}>
      {title}
    </button>
  );
  return (
    <>
      <div className="acts">
        <Status of={status} />
        {may('certificates:revoke') && isLive ? (
          <button
            type="button"
            disabled={turning.isPending}
            onClick={() => turning.mutate(status === 'active' ? 'suspend' : 'resume')}
          >
            {status === 'active' ? 'Suspend' : 'Resume'}
          </button>
        ) : null}
        {isLive && may('policies:attach') ? button('Policies…', 'policies') : null}
        {status !== 'deleted' && may('certificates:revoke') && may('things:write')
          ? button('Re-enroll…', 'reenroll')
          : null}
        {isLive && may('certificates:revoke') ? button('Revoke…', 'revoke', 'danger') : null}
        {status === 'revoked' && may('certificates:revoke') ? button('Delete…', 'delete', 'danger') : null}
      </div>
      <ProblemNote error={turning.error ?? undoing.error} />
      {asked === 'revoke' ? (
        <RevokeDialog
          thing={thing}
          onClose={close}
          onRevoked={(outcome) => {
            close();
            onDone(outcome);
          }}
        />
      ) : null}
      {asked === 'reenroll' ? <ReenrollDialog thing={thing} onClose={close} /> : null}
      {asked === 'policies' ? <PoliciesDialog thing={thing} onClose={close} /> : null}
      {asked === 'delete' ? <DeleteDialog thing={thing} onClose={close} /> : null}
    </>
  );
}
