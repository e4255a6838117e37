import { mkdtempSync, rmSync, statSync, chmodSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { writeContexts } from '../../../../src/cli/session/contexts.js';
import { requireKey, requireUrl, targetOf } from '../../../../src/cli/session/target.js';

const root = mkdtempSync(join(tmpdir(), 'thingward-contexts-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const key = `twk_${'k'.repeat(32)}`;
const url = 'https://a.example';

describe('which server is asked, and with which key', () => {
  it('takes the environment before the context in use', () => {
    const folder = join(root, 'both');
    writeContexts(folder, { current: 'a', contexts: { a: { url, key } } });
    expect(targetOf({ folder }, undefined)).toEqual({ url, key });
    const other = { url: 'https://b.example', apiKey: `twk_${'o'.repeat(32)}` };
    expect(targetOf({ folder, ...other }, undefined)).toEqual({ url: other.url, key: other.apiKey });
    expect(targetOf({ folder, ...other }, 'a')).toEqual({ url, key });
  });

  it('sends the key of a context to no other server', () => {
    const folder = join(root, 'other');
    writeContexts(folder, { current: 'a', contexts: { a: { url, key } } });
    expect(() => targetOf({ folder, url: 'https://b.example' }, undefined)).toThrow('set THINGWARD_API_KEY too');
    expect(targetOf({ folder, url: `${url}/` }, undefined)).toEqual({ url, key });
  });

  it('says that a login has ended, and how to log in again', () => {
    const folder = join(root, 'ended');
    const expiresAt = '2026-11-29T08:00:00Z';
    writeContexts(folder, { current: 'a', contexts: { a: { url, key, expiresAt } } });
    const at = (now: string) => () => targetOf({ folder, now: new Date(now) }, undefined);
    expect(at('2026-11-29T07:59:59Z')()).toEqual({ url, key });
    expect(at(expiresAt)).toThrow(`your login to ${url} ended at ${expiresAt}: thingward login ${url}`);
    // A key of the environment needs no login.
    expect(targetOf({ folder, url, apiKey: key, now: new Date('2027-01-01') }, undefined)).toEqual({ url, key });
  });

  it('refuses what is no API key, and does not repeat it', () => {
    for (const secret of ['', 'c2VhbGluZy1rZXktb2YtdGhlLXNlcnZlcg==', 'twk_short', `twe_${'x'.repeat(32)}`])
      expect(() => requireKey(secret, 'THINGWARD_API_KEY')).toThrow(/^THINGWARD_API_KEY is no API key.*was not sent/);
  });

  it('refuses addresses that are none, or that carry a password', () => {
    for (const text of ['a.example', 'ftp://a.example', 'https://me:pw@a.example', 'https://a.example?x=1'])
      expect(() => requireUrl(text, 'the address')).toThrow('the address is no address of a server');
  });

  it('keeps keys in a file for its owner alone, and reads no other', () => {
    const folder = join(root, 'mode');
    writeContexts(folder, { current: 'a', contexts: { a: { url, key } } });
    const file = join(folder, 'contexts.json');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).toEqual(['contexts.json']);
    chmodSync(file, 0o644);
    expect(() => targetOf({ folder }, undefined)).toThrow(`chmod 600 ${file}`);
  });
});
