import { setTimeout as sleep } from 'node:timers/promises';
import { createClient, type Client } from '../client.js';
import { csrPem } from '../pki/csr.js';
import type { Program } from '../program.js';

type Entry = { position: number; type: string; serialNumber?: string; thingName?: string };
type Page = { epoch: string; cursor: string; entries: Entry[] };

export type LoadResult = {
  acked: string[];
  /** Things that were allowed after their revocation was acknowledged. */
  allowed: string[];
  /** Places of the log, as epoch and position, that named two things. */
  reused: string[];
  epochs: string[];
  /** A cursor of each epoch. */
  cursors: string[];
  given: Map<string, string>;
};

const things = 1000;
const workers = 4;
const pauseMs = 100;

/** Revokes one thing after another at two instances in turn, asks both about each that was acknowledged, and follows the log, until it is told to stop. */
export async function runRevocations(programs: Program[], ownerKey: string) {
  const owners = programs.map(({ url }) => createClient(url, ownerKey, 'impatient'));
  const names = await provision(programs[0]!.url, ownerKey);
  const acked: string[] = [];
  const allowed: string[] = [];
  const given = new Map<string, string>();
  const reused: string[] = [];
  const cursors = new Map<string, string>();
  let stopping = false;
  let next = 0;

  const askAll = async (name: string): Promise<void> => {
    const question = { principal: { thingName: name }, action: 'connect', resource: `client:${name}` };
    for (const owner of owners) {
      const answer = await owner.post('/v1/authorize', question).catch(() => undefined);
      if (answer?.status === 200 && answer.body.decision === 'allow') allowed.push(name);
    }
  };
  const revoke = async (owner: Client, name: string): Promise<boolean> => {
    const answer = await owner.post(`/v1/things/${name}/revoke`, { reason: 'keyCompromise' }).catch(() => undefined);
    if (answer?.status !== 200) return false;
    acked.push(name);
    return true;
  };
  const work = async (): Promise<void> => {
    while (!stopping && next < names.length) {
      const name = names[next]!;
      const owner = owners[next++ % owners.length]!;
      let isAcknowledged = await revoke(owner, name);
      for (; !isAcknowledged && !stopping; isAcknowledged = await revoke(owner, name)) await sleep(pauseMs);
      if (isAcknowledged) await askAll(name);
      await sleep(pauseMs);
    }
  };
  const note = (epoch: string, { position, serialNumber, thingName, type }: Entry): void => {
    const [place, what] = [`${epoch}:${position}`, `${type} ${serialNumber ?? thingName}`];
    if (given.has(place) && given.get(place) !== what) reused.push(place);
    given.set(place, what);
  };
  const follow = async (owner: Client): Promise<void> => {
    let after = '';
    while (!stopping) {
      const answer = await owner
        .get(after ? `/v1/revocations?after=${after}` : '/v1/revocations')
        .catch(() => undefined);
      if (answer?.status === 200) {
        const { epoch, cursor, entries } = answer.body as Page;
        for (const entry of entries) note(epoch, entry);
        after = cursor;
        if (!cursors.has(epoch)) cursors.set(epoch, cursor);
      } else if (answer && answer.status !== 503) after = '';
      await sleep(20);
    }
  };
  const running = Promise.all([...Array.from({ length: workers }, work), ...owners.map(follow)]);

  return {
    /** Resolves once so many more are acknowledged. */
    async acknowledged(count: number): Promise<void> {
      for (const wanted = acked.length + count; acked.length < wanted; await sleep(50))
        if (next >= names.length) throw new Error('there are too few things for this long a trial');
    },
    async stop(): Promise<LoadResult> {
      stopping = true;
      await running;
      return { acked, allowed, reused, epochs: [...cursors.keys()], cursors: [...cursors.values()], given };
    },
  };
}

async function provision(url: string, ownerKey: string): Promise<string[]> {
  const made = await createClient(url, ownerKey).post('/v1/enrollments', { thingNamePattern: '*', maxUses: things });
  const agent = createClient(url, made.body.token as string);
  const names = Array.from({ length: things }, (_, n) => `d-${n}`);
  for (let from = 0; from < things; from += 50)
    await Promise.all(
      names.slice(from, from + 50).map((thingName) => agent.post('/v1/provision', { thingName, csr: csrPem() })),
    );
  return names;
}
