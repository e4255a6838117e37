import { randomUUID } from 'node:crypto';
import type { AppendAudit } from '../audit/store.js';
import { addSeconds, rfc3339, type Clock } from '../clock.js';
import type { Commit } from '../db/client.js';
import { DomainError } from '../errors.js';
import { mostOfAccount, mostOfCommand, tooMany } from '../limits.js';
import type { AppendLog } from '../log/append.js';
import { commandEntry } from '../log/builders.js';
import type { Origin } from '../origin.js';
import type { NewCommand } from './schema.js';
import type { CommandStore, OpenCounts, Receiver, StoredCommand } from './store.js';

type Deps = {
  store: CommandStore;
  /** A command takes no right away: nobody waits until every instance knows of it. */
  commit: Commit;
  clock: Clock;
  audit: AppendAudit;
  log: AppendLog;
  /** @throws DomainError `invalid-request` for a payload that the schema of the command does not fit */
  requireFit(account: string, name: string, thingType: string | null, payload: unknown): Promise<void>;
};

const keptSeconds = 7 * 86_400;

export type CommandService = ReturnType<typeof createCommandService>;

/** Commands for things: they wait until an edge that holds a session of their thing takes them. */
export function createCommandService({ store, commit, clock, audit, log, requireFit }: Deps) {
  const requireThing = async (account: string, name: string): Promise<Receiver> => {
    const thing = await store.receiver(account, name);
    if (!thing) throw noThing(name);
    return thing;
  };

  return {
    /** @throws DomainError `not-found`, `thing-not-active`, `invalid-request`, `too-many-requests` */
    async create(account: string, thingName: string, asked: NewCommand, origin: Origin) {
      const { name, payload = null, expiresIn } = asked;
      const receiver = requireActive(await store.receiver(account, thingName), thingName);
      await requireFit(account, name, receiver.thingType, payload);
      const at = clock();
      const id = randomUUID();
      const expiresAt = addSeconds(at, expiresIn);
      await commit(async (tx) => {
        const { id: thingId } = requireActive(await store.lock(tx, account, thingName), thingName);
        requireRoom(await store.countOpen(tx, account, thingName, mostOfAccount.openCommands, at), thingName);
        const made = { createdAt: at, createdBy: origin.actor, expiresAt, payload: JSON.stringify(payload) };
        await store.insert(tx, account, { id, thingId, thingName, name, ...made });
        const detail = { id, name, expiresAt: rfc3339(expiresAt) };
        await audit(tx, { at, account, origin, action: 'command.create', target: `thing:${thingName}`, detail });
        await log(tx, at, [commandEntry(account, { id, thingName })]);
      });
      return { id, status: 'queued' as const };
    },

    /** @throws DomainError `not-found` */
    async get(account: string, thingName: string, id: string): Promise<StoredCommand> {
      const { id: thingId } = await requireThing(account, thingName);
      const found = await store.find(account, thingId, id, clock());
      if (!found)
        throw new DomainError(
          'not-found',
          `${thingName} has no command ${id}: GET /v1/things/${thingName}/commands lists them; commands that are over are forgotten after a week`,
        );
      return found;
    },

    /** @throws DomainError `not-found` */
    async list(
      account: string,
      thingName: string,
      filter: Parameters<CommandStore['list']>[2],
      span: { before: bigint | undefined; limit: number },
    ) {
      const { id } = await requireThing(account, thingName);
      return store.list(account, { id, name: thingName }, filter, { ...span, now: clock() });
    },

    expire: (): Promise<void> => store.expire(clock()),
    prune: (): Promise<void> => store.prune(addSeconds(clock(), -keptSeconds)),
  };
}

function requireActive(thing: Receiver | undefined, name: string): Receiver {
  if (!thing) throw noThing(name);
  if (thing.status === 'active') return thing;
  throw new DomainError('thing-not-active', `${name} is ${thing.status}: it gets no commands`);
}

function requireRoom({ ofThing, ofAccount }: OpenCounts, name: string): void {
  const next = 'wait until some are answered or expire, or let them expire sooner';
  if (ofThing >= mostOfCommand.open) throw tooMany(`open commands for ${name}`, mostOfCommand.open, next);
  if (ofAccount >= mostOfAccount.openCommands) throw tooMany('open commands', mostOfAccount.openCommands, next);
}

function noThing(name: string): DomainError {
  return new DomainError('not-found', `there is no thing ${name}`);
}
