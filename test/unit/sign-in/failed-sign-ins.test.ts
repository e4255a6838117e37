import { describe, expect, it } from 'vitest';
import { DomainError } from '../../../src/errors.js';
import { createFailedSignIns, mostOfAccountInHour, mostRecordedInHour } from '../../../src/sign-in/failed-sign-ins.js';

type Deps = Parameters<typeof createFailedSignIns>[0];

function open(accounts = ['default', 'other']) {
  let now = new Date('2026-11-28T12:00:00Z');
  const entries: { account: string; target: string; detail?: unknown }[] = [];
  const errors: unknown[] = [];
  const db = {
    account: {
      findUnique: async ({ where }: { where: { name: string } }) => accounts.find((each) => each === where.name),
    },
  } as unknown as Deps['db'];
  const audit: Deps['audit'] = async (_tx, ...more) => void entries.push(...more);
  const failed = createFailedSignIns({ db, audit, clock: () => now, count: () => {} }, (error) => errors.push(error));
  return {
    entries,
    errors,
    advance: (seconds: number) => (now = new Date(now.getTime() + seconds * 1000)),
    async fail(
      named: { account: string; person?: string },
      code: 'invalid-credential' | 'too-many-requests' = 'invalid-credential',
    ) {
      const work = failed.watching({ method: 'password', origin: { actor: 'anonymous' } }, async (about) => {
        about(named);
        throw new DomainError(code, 'no');
      });
      await expect(work).rejects.toMatchObject({ code });
      await failed.close();
    },
  };
}

describe('refused sign-ins in the audit', () => {
  it('have a limit for each person and hour, and the next one says how many are missing', async () => {
    const { entries, fail, advance } = open();
    for (let n = 0; n < mostRecordedInHour + 7; n++) await fail({ account: 'default', person: 'a' });
    expect(entries).toHaveLength(mostRecordedInHour);
    await fail({ account: 'default', person: 'b' });
    expect(entries.at(-1)!.target).toBe('person:b');
    advance(3600);
    await fail({ account: 'default', person: 'a' });
    expect(entries.at(-1)!.detail).toEqual({ method: 'password', problem: 'invalid-credential', unrecorded: 7 });
    await fail({ account: 'default', person: 'a' });
    expect(entries.at(-1)!.detail).toEqual({ method: 'password', problem: 'invalid-credential' });
  });

  it('have a limit for each account, however many people are guessed at, and another account has its own', async () => {
    const { entries, fail } = open();
    for (let n = 0; n < mostOfAccountInHour + 50; n++) await fail({ account: 'default', person: `p-${n}` });
    expect(entries).toHaveLength(mostOfAccountInHour);
    await fail({ account: 'other', person: 'x' });
    expect(entries.at(-1)).toMatchObject({ account: 'other', target: 'person:x' });
  });

  it('are not those of accounts that do not exist, nor guesses that were not judged', async () => {
    const { entries, errors, fail } = open(['default']);
    await fail({ account: 'nobody' });
    await fail({ account: 'default', person: 'a' }, 'too-many-requests');
    expect([entries, errors]).toEqual([[], []]);
    await fail({ account: 'default' });
    expect(entries.map(({ target }) => target)).toEqual(['account:default']);
  });
});
