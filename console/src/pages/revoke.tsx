import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api, type Schemas } from '../api.js';
import { useAct } from '../parts/acting.js';
import { Modal } from '../parts/dialog.js';
import { ProblemNote } from '../parts/problem.js';
import { Field } from '../parts/shown.js';
import { edgesQuery } from '../queries.js';

const reasons = {
  cessationOfOperation: 'It is out of operation',
  keyCompromise: 'Its key was compromised (bars the key for ever)',
  privilegeWithdrawn: 'It lost its rights',
  affiliationChanged: 'It belongs to somebody else now',
  unspecified: 'Unspecified',
} as const;

type Reason = keyof typeof reasons;
type Props = {
  thing: Schemas['ThingWithSessions'];
  onClose(): void;
  onRevoked(outcome: Schemas['ThingOutcome']): void;
};

/** Reason, damage, name, then the act: whoever revokes sees first what it ends. */
export function RevokeDialog({ thing: { name, sessions }, onClose, onRevoked }: Props) {
  const [reason, setReason] = useState<Reason>('cessationOfOperation');
  const [typed, setTyped] = useState('');
  const revoking = useAct(() => api.post('/v1/things/{name}/revoke', { path: { name }, body: { reason } }), onRevoked);
  return (
    <Modal
      title={`Revoke ${name}`}
      about="Its certificates and tokens end everywhere, at once. A revocation cannot be undone."
      open
      onClose={onClose}
    >
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          revoking.mutate();
        }}
      >
        <Field label="Reason">
          <select value={reason} onChange={({ target }) => setReason(target.value as Reason)}>
            {Object.entries(reasons).map(([value, title]) => (
              <option key={value} value={value}>
                {title}
              </option>
            ))}
          </select>
        </Field>
        <BlastRadius name={name} reason={reason} sessions={sessions.length} />
        <Field label={`Type ${name} to confirm`}>
          <input
            value={typed}
            onChange={({ target }) => setTyped(target.value)}
            autoComplete="off"
            spellCheck={false}
          />
        </Field>
        <ProblemNote error={revoking.error} />
        <div className="acts">
          <button type="submit" className="danger" disabled={typed !== name || revoking.isPending}>
            Revoke
          </button>
          <button type="button" onClick={onClose}>
            Cancel
          </button>
        </div>
      </form>
    </Modal>
  );
}

function BlastRadius({ name, reason, sessions }: { name: string; reason: Reason; sessions: number }) {
  const edges = useQuery(edgesQuery);
  const preview = useQuery({
    queryKey: ['blast-radius', name, reason],
    queryFn: () => api.post('/v1/revocations/bulk', { body: { filter: { thingNames: [name] }, reason, dryRun: true } }),
  });
  const count = preview.data && 'count' in preview.data ? preview.data.count : undefined;
  const following = edges.data?.items.filter(({ stale }) => !stale).length;
  return (
    <div className="note warn" aria-live="polite">
      <strong>What this ends</strong>
      <ul>
        <li>{count === undefined ? 'Certificates: …' : `Certificates: ${count}`}</li>
        <li>Live sessions: {sessions}</li>
        <li>{following === undefined ? 'Edges that follow: …' : `Edges that follow: ${following}`}</li>
      </ul>
      <ProblemNote error={preview.error ?? edges.error} />
    </div>
  );
}
