import { describe, expect, it } from 'vitest';
import { isDatabaseTrouble } from '../../../src/db/trouble.js';

const raw = (originalCode: string) => ({
  code: 'P2010',
  meta: { driverAdapterError: { cause: { kind: 'postgres', originalCode } } },
});
const kind = (name: string) => ({ code: 'P2010', meta: { driverAdapterError: { cause: { kind: name } } } });
const adapter = (cause: object) => Object.assign(new Error('the driver failed'), { name: 'DriverAdapterError', cause });

describe('trouble of the database', () => {
  it.each([
    ['a raw query while it shuts down', raw('57P03')],
    ['a raw query that an operator ended', raw('57P01')],
    ['too many connections', raw('53300')],
    ['a full disk', raw('53100')],
    ['a standby that was asked to write', raw('25006')],
    ['a deadlock', raw('40P01')],
    ['a raw query to nobody', kind('DatabaseNotReachable')],
    ['a pool that timed out', new Error('timeout exceeded when trying to connect')],
    ['a connection that broke', new Error('Connection terminated unexpectedly')],
    ['a closed embedded database', new Error('PGlite is closed')],
    ['a transaction without a connection', { code: 'P2028' }],
    ['a COMMIT that an operator ended', adapter({ kind: 'postgres', originalCode: '57P01' })],
    ['a ROLLBACK on a connection that is gone', adapter({ kind: 'ConnectionClosed' })],
    ['an error of the driver itself', Object.assign(new Error('starting up'), { code: '57P03', severity: 'FATAL' })],
    ['a refused connection', { code: 'ECONNREFUSED' }],
  ])('is %s', (_what, error) => expect(isDatabaseTrouble(error)).toBe(true));

  it.each([
    ['text that it cannot hold', raw('22021')],
    ['a number that it cannot hold', raw('22003')],
    ['a table that is not there', raw('42P01')],
    ['a unique value that is there already', { code: 'P2002' }],
    ['a mistake of ours', new TypeError('x is not a function')],
    ['a COMMIT that broke a rule', adapter({ kind: 'postgres', originalCode: '23503' })],
    ['an error with some other cause', new Error('broken', { cause: new Error('why') })],
    ['nothing', undefined],
  ])('is not %s', (_what, error) => expect(isDatabaseTrouble(error)).toBe(false));
});
