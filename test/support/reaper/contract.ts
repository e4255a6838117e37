import { expect, it } from 'vitest';
import type { Broker, LiveSession } from '../../../src/reaper/brokers/broker.js';

/** What a suite gives for one kind of broker. */
export type ContractStage = {
  broker(): Broker;
  /** A session of a user that stays until somebody ends it. */
  connect(user: string): Promise<{ closed: Promise<void>; isClosed(): boolean; leave(): void }>;
  /** Users that the broker lets in. */
  users: [string, string];
};

const never = new AbortController().signal;
const lookMs = 100;

/** Everybody whom a broker lists. */
export async function allOf(broker: Broker): Promise<LiveSession[]> {
  const found: LiveSession[] = [];
  for await (const page of broker.sessions(never)) {
    expect(page.length).toBeLessThanOrEqual(1000);
    found.push(...page);
  }
  return found;
}

/** Waits until something holds. */
export async function until(holds: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, lookMs));
}

/** What each kind of broker must do with real sessions. */
export function brokerContract(stage: ContractStage): void {
  const [one, other] = stage.users;

  it('lists live sessions, ends those of one user alone, and then knows that they are gone', async () => {
    const broker = stage.broker();
    expect(await broker.check(never)).not.toBe('');
    const [first, second] = [await stage.connect(one), await stage.connect(other)];
    await until(async () => (await allOf(broker)).length >= 2);
    const listed = await allOf(broker);
    expect(listed.map(({ user }) => user).sort()).toEqual([one, other].sort());
    await until(async () => (await broker.sessionsOf(one, never)).length === 1);
    const [{ id }] = (await broker.sessionsOf(one, never)) as [LiveSession];
    expect(listed.map((each) => each.id)).toContain(id);
    await broker.end(one, never);
    await first.closed;
    await until(async () => (await broker.sessionsOf(one, never)).length === 0);
    expect(second.isClosed()).toBe(false);
    expect(await broker.sessionsOf(other, never)).toHaveLength(1);
    await until(async () => (await allOf(broker)).length === 1);
    second.leave();
    await until(async () => (await broker.sessionsOf(other, never)).length === 0);
  });

  it('gives a session that comes back another id', async () => {
    const broker = stage.broker();
    const before = await stage.connect(one);
    await until(async () => (await broker.sessionsOf(one, never)).length === 1);
    const [{ id }] = (await broker.sessionsOf(one, never)) as [LiveSession];
    await broker.end(one, never);
    await before.closed;
    const after = await stage.connect(one);
    await until(async () => (await broker.sessionsOf(one, never)).some((each) => each.id !== id));
    after.leave();
    await until(async () => (await broker.sessionsOf(one, never)).length === 0);
  });

  it('takes a user without sessions, and one whose name is hostile', async () => {
    const broker = stage.broker();
    for (const user of ['nobody', '../users', 'a/b?c=d#e', '%2e%2e', 'ü "\\', 'a'.repeat(500)]) {
      expect(await broker.sessionsOf(user, never), user).toEqual([]);
      await broker.end(user, never);
    }
  });

  it('ends with its signal', async () => {
    const ended = AbortSignal.abort(new Error('enough'));
    const broker = stage.broker();
    await expect(broker.sessionsOf(one, ended)).rejects.toThrow();
    await expect(broker.end(one, ended)).rejects.toThrow();
    await expect(broker.check(ended)).rejects.toThrow();
  });
}
