import { gzipSync } from 'node:zlib';
import type { Random } from '../policy-cases.js';
import { bentText, mutated, nastyValue } from './mutations.js';
import type { Operation } from './operations.js';
import { formOf, pathValues, recipes, tamed } from './recipes.js';
import { fitting } from './values.js';
import { hintsOf, type World } from './world.js';

export type Request = {
  operation: Operation;
  method: string;
  path: string;
  headers: Record<string, string>;
  body: Buffer | undefined;
};

/** A request that an operation should take, by a caller who may make it. */
export function rightRequest(operation: Operation, world: World, random: Random, ownerKey: string): Request {
  const form = random.chance(0.5) ? operation.bodies.at(-1) : operation.bodies[0];
  const body = rightBody(operation, world, random);
  return {
    operation,
    method: operation.method,
    path: pathOf(operation, world, random),
    headers: {
      ...credentialFor(operation, world, random, ownerKey),
      ...(body === undefined ? {} : typeOf(body, form?.type)),
    },
    body: encoded(body, form?.type),
  };
}

/** The same, bent in one way or several. */
export function bentRequest(operation: Operation, world: World, random: Random, ownerKey: string): Request {
  const request = rightRequest(operation, world, random, ownerKey);
  const body = rightBody(operation, world, random);
  const ways = [bendQuery, bendPath, bendHeaders, bendCaller, bendMethod];
  if (body !== undefined && !Buffer.isBuffer(body) && random.chance(0.7)) bendBody(request, body, random);
  else random.pick(ways)(request, random, world);
  if (random.chance(0.1)) random.pick(ways)(request, random, world);
  return request;
}

function rightBody(operation: Operation, world: World, random: Random): unknown {
  const recipe = recipes[operation.name];
  if (recipe && random.chance(0.8)) return recipe(world, random);
  const schema = operation.bodies[0]?.schema;
  return schema ? tamed(operation.name, fitting(schema, '', random, hintsOf(world))) : recipe?.(world, random);
}

/** Octets are right for operations that take no JSON, and for these alone. */
function typeOf(body: unknown, type = 'application/json'): Record<string, string> {
  return { 'content-type': Buffer.isBuffer(body) && type === 'application/json' ? 'application/ocsp-request' : type };
}

function encoded(body: unknown, type: string | undefined): Buffer | undefined {
  if (body === undefined || Buffer.isBuffer(body)) return body;
  return Buffer.from(type?.includes('urlencoded') ? formOf(body) : JSON.stringify(body));
}

function pathOf(operation: Operation, world: World, random: Random): string {
  const hints = hintsOf(world);
  const path = operation.path.replace(/\{([^}]+)\}/g, (_, name: string) => {
    const known = pathValues(world, operation.path, name);
    const schema = operation.params.find((each) => each.name === name)?.schema ?? {};
    return encodeURIComponent(String(known.length > 0 ? random.pick(known) : fitting(schema, name, random, hints)));
  });
  const chosen = operation.queries.filter(({ required }) => required || random.chance(0.25));
  const query = chosen.map(({ name, schema }) => {
    // Cursors are of their own list: one of another is for the bent ones.
    const value = name === 'cursor' ? '' : fitting(schema, name, random, hints);
    return value === '' ? '' : `${name}=${encodeURIComponent(String(value))}`;
  });
  const text = query.filter((each) => each !== '').join('&');
  return text === '' ? path : `${path}?${text}`;
}

function credentialFor(
  operation: Operation,
  { pools }: World,
  random: Random,
  ownerKey: string,
): Record<string, string> {
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
  switch (operation.access) {
    case 'apiKey':
      return bearer(ownerKey);
    case 'enrollmentToken':
      return bearer(pools.token);
    case 'accessToken':
      return bearer(random.pick(pools.accessTokens));
    case 'public':
      return {};
  }
}

function bendBody(request: Request, body: unknown, random: Random): void {
  const bent = tamed(request.operation.name, mutated(body, random));
  // Whatever names another host stays what it was: nothing leaves this machine.
  const text =
    random.chance(0.12) && !isTamed(request.operation.name) ? bentText(body, random) : (JSON.stringify(bent) ?? '');
  const isForm = request.headers['content-type']?.includes('urlencoded') && typeof bent === 'object';
  request.body = Buffer.from(isForm ? formOf(bent) : text);
  if (random.chance(0.03)) {
    request.body = gzipSync(request.body);
    request.headers['content-encoding'] = random.pick(['gzip', 'deflate', 'br', 'gzip, gzip', 'identity']);
  }
}

const isTamed = (name: string): boolean => name === 'PUT /v1/aws' || name === 'PATCH /v1/issuers/{id}';

const oddPaths = [
  '%00',
  '%2e%2e',
  '%',
  '%zz',
  '%c0%ae',
  '%ed%a0%80',
  '..',
  '.',
  '//',
  ';x',
  '%2f',
  '\\',
  '%5c',
  '%E2%80%AE',
  "'",
  '*',
  '{x}',
  '%0a',
  '%F0%9D%95%8F',
  'x'.repeat(600),
  '1'.repeat(30),
  '-1',
  '2147483648',
  '9007199254740993',
  '1e9',
];

function bendPath(request: Request, random: Random): void {
  const [path = '', query] = request.path.split('?');
  const parts = path.split('/');
  const at = 1 + random.below(parts.length);
  const odd = random.pick(oddPaths);
  if (random.chance(0.7)) parts[Math.min(at, parts.length - 1)] = odd;
  else if (random.chance(0.5)) parts.splice(at, 0, odd);
  else parts.push('');
  request.path = `${parts.join('/')}${query === undefined ? '' : `?${query}`}`;
}

const oddCursors = [
  '',
  '%00',
  'AA',
  'AAAA',
  Buffer.from('9'.repeat(18)).toString('base64url'),
  Buffer.from('9'.repeat(30)).toString('base64url'),
  Buffer.from('\0').toString('base64url'),
  Buffer.from('a'.repeat(300)).toString('base64url'),
  Buffer.from("'").toString('base64url'),
  'x'.repeat(600),
  `${'0'.repeat(8)}-0000-4000-8000-${'0'.repeat(12)}:1`,
  'é',
  '%ff',
];

function bendQuery(request: Request, random: Random): void {
  const names = [...request.operation.queries.map(({ name }) => name), 'limit', 'cursor', 'x', '__proto__', 'limit[]'];
  const value = () => {
    const odd = nastyValue(random);
    return encodeSafely(typeof odd === 'string' ? odd : JSON.stringify(odd)).slice(0, 4000);
  };
  const pairs = Array.from({ length: random.chance(0.1) ? 50 : 1 + random.below(2) }, () => {
    const name = random.pick(names);
    const limits = ['0', '-1', '1000', '1001', '1e9', '9007199254740993', 'NaN', '', '1.5', '0x10', ' 1', '١'];
    if (name === 'limit' && random.chance(0.7)) return `limit=${encodeURIComponent(random.pick(limits))}`;
    if (name === 'cursor' && random.chance(0.7)) return `cursor=${random.pick(oddCursors)}`;
    return `${name}=${value()}`;
  });
  request.path = `${request.path}${request.path.includes('?') ? '&' : '?'}${pairs.join('&')}`;
}

const encodeSafely = (text: string): string => encodeURIComponent(text.replace(/\p{Cs}/gu, '%'));

const oddHeaders: Record<string, readonly string[]> = {
  'content-type': [
    'text/plain',
    'application/xml',
    'application/json; charset=utf-16',
    'application/json\tx',
    'multipart/form-data; boundary=x',
    'application/x-www-form-urlencoded',
    'application/',
    '',
    'APPLICATION/JSON',
    'application/ocsp-request',
    'application/merge-patch+json',
    'application/problem+json',
  ],
  accept: ['', '*/*;q=0', 'text/html', 'application/xml, application/json;q=0.1', 'x'.repeat(2000)],
  'accept-encoding': ['gzip', 'br;q=1.0, *;q=0', 'identity;q=0'],
  'x-request-id': ['', 'é', 'x'.repeat(3000), 'a b', '"'],
  'if-none-match': ['*', '"x"', 'W/"x", *', ','.repeat(2000), '"'.repeat(2000)],
  'if-match': ['*', '"x"', ''],
  'if-modified-since': ['Thu, 01 Jan 1970 00:00:00 GMT', 'x', '9999'],
  range: ['bytes=0-1', 'bytes=-1', 'bytes=0-,0-,0-'],
  'last-event-id': ['x', '1', `${'0'.repeat(8)}-0000-4000-8000-${'0'.repeat(12)}:999999999999999`],
  'content-encoding': ['gzip', 'x', 'gzip, deflate', ''],
  'x-forwarded-for': ['x', '1.2.3.4:5', '[::1]:5', ','.repeat(500), '1.2.3.4, 5.6.7.8', 'é'],
  'x-http-method-override': ['DELETE'],
  'idempotency-key': ['x', 'y'.repeat(22), 'z'.repeat(300)],
  expect: ['100-continue'],
  'accept-version': ['1.0.0', 'x'],
  host: ['', 'x:99999', '[::1'],
};

function bendHeaders(request: Request, random: Random): void {
  const name = random.pick(Object.keys(oddHeaders));
  request.headers[name] = Buffer.from(random.pick(oddHeaders[name]!)).toString('latin1');
}

function bendCaller(request: Request, random: Random, { pools }: World): void {
  const bearers = [
    pools.keys.proxy,
    pools.keys.auditor,
    pools.keys.admin,
    pools.keys.inUrl,
    pools.token,
    random.pick(pools.accessTokens),
  ];
  const odd = [
    '',
    'Bearer',
    'Bearer ',
    'Basic',
    'Basic AA==',
    'Basic !!!!',
    'Basic OnR3a18AAA==',
    'Bearer twk_',
    'Bearer twe_x',
    'Bearer a.b.c',
    `Bearer ${'x'.repeat(5000)}`,
    'Digest x',
    `Basic ${Buffer.from(`x:${pools.keys.auditor}`).toString('base64')}`,
  ];
  if (random.chance(0.15)) delete request.headers['authorization'];
  else request.headers['authorization'] = random.chance(0.6) ? `Bearer ${random.pick(bearers)}` : random.pick(odd);
}

const methods = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'PROPFIND',
  'TRACE',
  'SEARCH',
  'MKCOL',
  'QUERY',
];

function bendMethod(request: Request, random: Random): void {
  request.method = random.pick(methods);
}
