import { useEffect } from 'react';
import { api, type Schemas } from '../api.js';
import { useAct } from '../parts/acting.js';
import { Modal } from '../parts/dialog.js';
import { Pairs } from '../parts/page.js';
import { ProblemNote } from '../parts/problem.js';
import { Skeleton } from '../parts/shown.js';

type Props = { channel: Schemas['AlertChannel']; onClose(): void };

/** Tells a channel something now, and shows what the other side answered. */
export function TestChannel({ channel: { id, name }, onClose }: Props) {
  const { mutate, data, error, isPending } = useAct(() => api.post('/v1/alerts/channels/{id}/test', { path: { id } }));
  useEffect(() => mutate(), [mutate]);
  return (
    <Modal title={`A test of ${name}`} about="It says that no alert is behind it." open onClose={onClose}>
      <div className="stack" aria-live="polite" aria-busy={isPending}>
        <ProblemNote error={error} />
        {data === undefined && !error ? <Skeleton lines={2} /> : null}
        {data === undefined ? null : (
          <>
            <p className={data.delivered ? 'note good' : 'note bad'}>
              <strong>{data.delivered ? 'The other side took it' : 'The other side did not take it'}</strong>
            </p>
            <Pairs
              rows={[
                ['Status', data.status ?? 'none'],
                ['It answered', <span key="answer">{data.answer === '' ? 'nothing' : data.answer}</span>],
              ]}
            />
          </>
        )}
        <div className="acts">
          <button type="button" disabled={isPending} onClick={() => mutate()}>
            Send another
          </button>
          <button type="button" className="primary" onClick={onClose}>
            Done
          </button>
        </div>
      </div>
    </Modal>
  );
}
