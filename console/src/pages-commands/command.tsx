import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { background, type Schemas } from '../api.js';
import { Modal } from '../parts/dialog.js';
import { jsonOf } from '../json/json.js';
import { Pairs } from '../parts/page.js';
import { ProblemNote } from '../parts/problem.js';
import { Skeleton, Status, Time } from '../parts/shown.js';
import { isOpen, meaningOf, toneOf } from './states.js';

type Props = { thing: string; id: string; onClose(): void };

const openMs = 2000;

/** One command: what the thing is sent, what it answered, and when. It follows what happens. */
export function CommandDialog({ thing, id, onClose }: Props) {
  const { data, error } = useQuery({
    queryKey: ['commands', 'one', thing, id],
    queryFn: () => background.get('/v1/things/{name}/commands/{id}', { path: { name: thing, id } }),
    refetchInterval: ({ state: { data: known } }) => (known && isOpen(known.status) ? openMs : false),
  });
  return (
    <Modal title={data?.name ?? 'Command'} about={`A command for ${thing}.`} open onClose={onClose}>
      <div className="stack">
        <ProblemNote error={error} />
        {data === undefined && !error ? <Skeleton lines={6} /> : null}
        {data === undefined ? null : <Became command={data} />}
        <div className="acts">
          <button type="button" onClick={onClose}>
            Close
          </button>
        </div>
      </div>
    </Modal>
  );
}

function Became({ command }: { command: Schemas['Command'] }) {
  const { id, status, reason, payload, result, createdAt, createdBy, expiresAt } = command;
  return (
    <>
      <p role="status">
        <Status of={status} tone={toneOf[status]} /> {meaningOf(command)}
      </p>
      {reason === undefined ? null : (
        <div className="note bad">
          <strong>Why</strong>
          <p>{reason}</p>
        </div>
      )}
      <Json title="Payload" value={payload} />
      {result === undefined ? null : <Json title="What the device answered" value={result} />}
      <Pairs
        rows={[
          ['Sent', <Time key="sent" at={createdAt} />],
          ['By', createdBy],
          [isOpen(status) ? 'Expires' : 'Was good until', <Time key="expires" at={expiresAt} />],
          ...at('Taken by an edge', command.claimedAt),
          ...at('At the broker', command.deliveredAt),
          ...at('Over', command.finishedAt),
          ['Id', <code key="id">{id}</code>],
        ]}
      />
    </>
  );
}

const at = (title: string, time: string | undefined): [string, ReactNode][] =>
  time === undefined ? [] : [[title, <Time key={title} at={time} />]];

function Json({ title, value }: { title: string; value: unknown }) {
  return (
    <div>
      <h3>{title}</h3>
      <pre className="json" tabIndex={0} role="region" aria-label={title}>
        {jsonOf(value)}
      </pre>
    </div>
  );
}
