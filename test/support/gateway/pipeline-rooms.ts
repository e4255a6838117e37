import { cpSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterEach } from 'vitest';
import { createPipelineRoom, type Said } from './pipeline-room.js';

/** A pipeline of telemetry without steps, and one that sends the mean of each three messages. */
export const telemetry = { match: { topics: ['${account}/+/telemetry'] }, values: { t: '$.t' }, to: ['upstream'] };
export const byThree = { ...telemetry, steps: [{ window: { last: 3 }, emit: ['count', 'mean'] }] };

/** Opens rooms of a suite, and removes them after each test. */
export function useRooms(): typeof createPipelineRoom {
  const rooms: ReturnType<typeof createPipelineRoom>[] = [];
  afterEach(async () => {
    for (const room of rooms.splice(0)) {
      await room.close();
      rmSync(room.stateDir, { recursive: true, force: true });
    }
  });
  return (...args) => {
    const room = createPipelineRoom(...args);
    rooms.push(room);
    return room;
  };
}

/** The means that were published, in order. */
export const means = (said: Said[]): (number | undefined)[] =>
  said.flatMap(({ records = [] }) => records.map(({ values }) => values['t.mean']));

/** Copies a folder as a crash would leave it; whoever has the journal open is not in the copy. */
export const copyRoom = (from: string, to: string): void =>
  cpSync(join(from, 'pipelines'), join(to, 'pipelines'), {
    recursive: true,
    filter: (path) => !basename(path).startsWith('claim'),
  });
