import fastify from 'fastify';
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Way } from '../../../src/access/caller.js';
import { eachPromise, type Grantee } from '../../../src/access/grantee.js';
import type { Permission } from '../../../src/access/permissions.js';
import { mountDialect } from '../../../src/authorize/dialects/dialect.js';
import { DomainError } from '../../../src/errors.js';
import { noteMethods } from '../../../src/http/allowed-methods.js';
import { readBodies } from '../../../src/http/bodies.js';
import { installCallers } from '../../../src/http/callers.js';
import { createFailureLimiter } from '../../../src/http/failure-limiter.js';
import { installProblems } from '../../../src/http/problems.js';
import { createRateLimiter } from '../../../src/http/rate-limiter.js';
import type { App } from '../../../src/http/route.js';
import { createTurns } from '../../../src/http/turns.js';

/** A broker that takes every status but 200 and 204 as "ask the next", and then allows. */
const no = { result: 'deny' };

const grantees: Record<string, Partial<Grantee> & { permissions: ReadonlySet<Permission> }> = {
  asks: { permissions: new Set<Permission>(['authorize:query']) },
  lacks: { permissions: new Set<Permission>(['things:read']) },
  twk_strong: { permissions: new Set<Permission>(['authorize:query', 'things:read']) },
};

/** A way to become a caller that the server does not have: it takes this function, and nothing else. */
const byName: Way = {
  takes: () => true,
  isRemembered: (credential) => credential in grantees,
  find: async (credential) => {
    if (credential === 'away') throw new DomainError('account-suspended', 'the account is suspended');
    const grantee = grantees[credential];
    const promises = eachPromise(false);
    return (
      grantee && {
        kind: 'grantee',
        id: credential,
        account: 'acme',
        actor: `name:${credential}`,
        role: null,
        promises,
        expiresAt: null,
        ...grantee,
      }
    );
  },
};

/** What a question does before it is answered. */
const deeds: Record<string, () => boolean | Promise<boolean>> = {
  may: () => true,
  'may-not': () => false,
  'may-later': async () => true,
  'no-lease': () => {
    throw new DomainError('not-ready', 'no lease', { retryAfter: 1 });
  },
  'no-lease-later': async () => {
    throw new DomainError('not-ready', 'no lease', { retryAfter: 1 });
  },
  bug: () => {
    throw new TypeError('undefined is not a function');
  },
  'bug-later': async () => {
    throw new TypeError('undefined is not a function');
  },
  'bad-answer': () => 'perhaps' as never,
};

let app: App;

beforeAll(async () => {
  const now = () => new Date(0);
  app = fastify({ bodyLimit: 1000 });
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  readBodies(app);
  installProblems(app, noteMethods(app, 512), '/docs lists what does');
  installCallers(app, [byName], createFailureLimiter(100, now), {
    rates: createRateLimiter({ read: 1, write: 1, heavy: 1, anonymous: 100 }, now),
    turns: createTurns(),
  });
  const common = {
    access: 'authorize:query',
    schema: { response: { 200: z.object({ result: z.enum(['allow', 'deny']) }) } },
    body: z.strictObject({ deed: z.string() }),
    questionOf: ({ deed }: { deed: string }) => deed,
    decide: (_asker: Grantee, deed: string) => deeds[deed]!(),
    answerOf: (allowed: boolean) => ({
      body: { result: typeof allowed === 'boolean' ? (allowed ? 'allow' : 'deny') : allowed },
    }),
    failureOf: () => ({ body: no }),
  } as const;
  mountDialect(app, { ...common, url: '/integrations/broker' });
  mountDialect(app, { ...common, url: '/integrations/slow-broker', cost: 'write' });
  await app.ready();
});
afterAll(() => app.close());

type Sent = { url?: string; headers?: Record<string, string>; payload?: string | Buffer };

const json = { 'content-type': 'application/json', authorization: 'Bearer asks' };
const ask = (deed: string) => ({ headers: json, payload: JSON.stringify({ deed }) });

const send = async ({ url = '/integrations/broker', ...sent }: Sent) => {
  const { statusCode, body, headers } = await app.inject({ method: 'POST', url, ...sent });
  return { status: statusCode, body: JSON.parse(body) as unknown, type: headers['content-type'] };
};

describe('a dialect', () => {
  it('answers decisions in its own words, made at once or later', async () => {
    expect(await send(ask('may'))).toMatchObject({ status: 200, body: { result: 'allow' } });
    expect(await send(ask('may-later'))).toMatchObject({ status: 200, body: { result: 'allow' } });
    expect(await send(ask('may-not'))).toMatchObject({ status: 200, body: no });
  });

  const bearer = (token: string) => ({ ...json, authorization: `Bearer ${token}` });
  const payload = '{"deed":"may"}';
  const failures: Record<string, Sent> = {
    'no credential': { headers: { 'content-type': 'application/json' }, payload },
    'an unknown credential': { headers: bearer('stranger'), payload },
    'a suspended account': { headers: bearer('away'), payload },
    'a missing permission': { headers: bearer('lacks'), payload },
    'a key in the URL that may not stand there': {
      url: '/integrations/broker?key=twk_strong',
      headers: { 'content-type': 'application/json' },
      payload,
    },
    'a body that is no JSON': { headers: json, payload: '{' },
    'no body': { headers: json },
    'a body of another type': { headers: { ...json, 'content-type': 'text/xml' }, payload: '<a/>' },
    'a body of the wrong shape': { headers: json, payload: '{"deed":1}' },
    'a body with more than is known': { headers: json, payload: '{"deed":"may","then":"allow"}' },
    'a body that is too large': { headers: json, payload: JSON.stringify({ deed: 'x'.repeat(2000) }) },
    'a body that is not packed as it says': { headers: { ...json, 'content-encoding': 'gzip' }, payload },
    'a packed body that is cut off': {
      headers: { ...json, 'content-encoding': 'gzip' },
      payload: gzipSync(payload).subarray(0, 12),
    },
    'a body nested without end': { headers: json, payload: `{"deed":${'['.repeat(200)}${']'.repeat(200)}}` },
    'no lease': ask('no-lease'),
    'no lease, found later': ask('no-lease-later'),
    'a bug': ask('bug'),
    'a bug, found later': ask('bug-later'),
    'an answer that its schema refuses': ask('bad-answer'),
    'a question about nothing': ask('unheard-of'),
  };
  for (const [what, sent] of Object.entries(failures)) {
    it(`says its own no to ${what}`, async () => {
      expect(await send(sent)).toEqual({ status: 200, body: no, type: 'application/json; charset=utf-8' });
    });
  }

  it('says its own no beyond a rate', async () => {
    const answers: unknown[] = [];
    for (let n = 0; n < 12; n++) answers.push((await send({ ...ask('may'), url: '/integrations/slow-broker' })).body);
    expect(answers.filter((body) => JSON.stringify(body) === JSON.stringify(no)).length).toBeGreaterThan(0);
    expect(answers[0]).toEqual({ result: 'allow' });
  });

  it('says its own no to an address with too many unknown credentials', async () => {
    for (let n = 0; n < 120; n++)
      expect(await send({ headers: bearer(`stranger-${n}`), payload })).toMatchObject({ status: 200, body: no });
    expect(await send(ask('may'))).toMatchObject({ status: 200, body: { result: 'allow' } });
  });
});
