import fastify from 'fastify';
import { generateKeyPairSync } from 'node:crypto';
import { decodeProtectedHeader } from 'jose';
import { describe, expect, it } from 'vitest';
import { readEvents } from '../../src/edge/event-stream.js';
import { openJwtKey } from '../../src/tokens/jwt.js';
import { placeIn } from '../../src/api/paging.js';
import { redact } from '../../src/logging.js';
import { parseCsr } from '../support/pki/csr.js';
import * as der from '../../src/pki/der.js';
import { parseOcspRequest } from '../../src/pki/ocsp.js';
import { readCertificate, readPem } from '../../src/pki/pem.js';
import { parsePublicKey } from '../../src/pki/public-key.js';
import { parseAddress, parseRange } from '../../src/address.js';
import { exportToAws } from '../../src/policy/aws/export.js';
import { importFromAws } from '../../src/policy/aws/import.js';
import { matchesGlob } from '../../src/policy/glob.js';
import { readRequest, readRequestPattern } from '../../src/policy/http-path.js';
import { createLevels } from '../../src/policy/matching/levels.js';
import { lintPolicy } from '../../src/policy/lint.js';
import { probesOf } from '../../src/policy/probe.js';
import { parseResource, readQuery } from '../../src/policy/resource.js';
import { isTopicFilter } from '../../src/policy/topic-filter.js';
import type { PolicyDocument } from '../../src/policy/document.js';
import { createPrincipal, parseTemplate } from '../../src/policy/variables.js';

/** A function that gets text or octets from outside, and inputs made to be slow, by their size. */
type Parser = { parse(input: string): unknown; hostile: Record<string, (size: number) => string> };

const fill = (piece: string) => (size: number) => piece.repeat(Math.ceil(size / piece.length)).slice(0, size);
const between = (head: string, piece: string, tail: string) => (size: number) => head + fill(piece)(size) + tail;
const begin = '-----BEGIN CERTIFICATE REQUEST-----';
const end = '-----END CERTIFICATE REQUEST-----';
const octets = (text: string): Buffer => Buffer.from(text, 'latin1');

const pem: Parser['hostile'] = {
  'spaces after BEGIN': between(begin, ' ', ''),
  'spaces and line feeds': between(begin, ' \n', '!'),
  'BEGIN lines': fill(begin),
  'beginnings of BEGIN': fill('-----BEGIN '),
  dashes: between(begin, '-', ''),
  'empty blocks': fill(`${begin}${end}`),
  'small blocks': fill(`${begin}AAAA${end}`),
  letters: between(begin, 'A', ` ${end}`),
  'letters and spaces': between(begin, 'A ', end),
  spaces: fill(' '),
  'percent signs': fill('%2'),
  'escaped BEGIN lines': fill('-----BEGIN%20CERTIFICATE-----'),
  commas: fill(','),
};
const derHostile: Parser['hostile'] = {
  'small values': between('\x30\x83\x0f\xff\xff', '\x05\x00', ''),
  nesting: fill('\x30\x80'),
  'open lengths': fill('\x30\x84'),
  'a long number': between('\x30\x83\x0f\xff\xff\x02\x83\x0f\xff\xf0', '\x7f', ''),
};
const variables: Parser['hostile'] = {
  'open braces': between('topic:', '${', ''),
  'open braces and names': between('topic:', '${a', ''),
  variables: between('topic:', '${account}/', 'x'),
  slashes: between('topic:', '/', ''),
  wildcards: between('topic:', '+/', '#'),
  'path and line feeds': between('http:GET /', ' /\n', ''),
  'path dots': between('http:GET /', '../', ''),
};
const statement = (resource: string, effect = 'allow') => ({
  name: 'p',
  statements: [{ id: 's', effect, actions: ['*'], resources: [resource] }],
});
const aws = (Action: string, Resource: string) =>
  JSON.stringify({ Statement: [{ Effect: 'Allow', Action: [Action], Resource: [Resource] }] });
const key = await openJwtKey('k', 'ES256', ...keyPair());
function keyPair() {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return [privateKey, publicKey] as const;
}
const jwt: Parser['hostile'] = {
  dots: fill('.'),
  'letters and dots': fill('eyJ.'),
  letters: fill('A'),
  'one long part': between('eyJhbGciOiJFUzI1NiJ9.', 'A', '.A'),
};
const plainTexts: Parser['hostile'] = { letters: fill('a'), dots: fill('.'), colons: fill(':'), slashes: fill('/') };
const queries = (kind: 'topic' | 'client' | 'http', action: string) => (text: string) =>
  readQuery(kind, `${kind}:${text}`, createLevels(), action === 'subscribe');
const proxied = fastify({ trustProxy: ['10.0.0.0/8'], bodyLimit: 10 });
proxied.get('/', async ({ ip }) => ip);

const parsers: Record<string, Parser> = {
  readPem: { parse: readPem, hostile: pem },
  readCertificate: { parse: readCertificate, hostile: pem },
  parseCsr: { parse: (text) => parseCsr(text, 'urn:x'), hostile: pem },
  'DER readOne and readAll': {
    parse: (text) => [der.hasShape(octets(text), []), der.readAll(octets(text))],
    hostile: derHostile,
  },
  parsePublicKey: { parse: (text) => parsePublicKey(octets(text)), hostile: derHostile },
  parseOcspRequest: { parse: (text) => parseOcspRequest(octets(text)), hostile: derHostile },
  isTopicFilter: { parse: isTopicFilter, hostile: variables },
  'topic query': { parse: queries('topic', 'publish'), hostile: { ...plainTexts, pairs: fill('\ud83d\ude00') } },
  'filter query': { parse: queries('topic', 'subscribe'), hostile: { shares: fill('$share/'), hashes: fill('#') } },
  'client query': { parse: queries('client', 'connect'), hostile: { ...plainTexts, halves: fill('\ud83d') } },
  'http query': {
    parse: queries('http', 'request'),
    hostile: { escapes: between('GET /', '%2e/', ''), ...plainTexts },
  },
  readRequest: { parse: readRequest, hostile: { capitals: fill('A-'), blanks: between('GET', ' ', '/') } },
  readRequestPattern: { parse: readRequestPattern, hostile: { stars: fill('* /'), feeds: between('* /', '\n', '') } },
  parseTemplate: { parse: parseTemplate, hostile: variables },
  parseResource: { parse: parseResource, hostile: variables },
  lintPolicy: { parse: (text) => lintPolicy(statement(text)), hostile: variables },
  probesOf: {
    parse: (text) => {
      const { statements } = statement(text) as unknown as PolicyDocument;
      return [...probesOf([], statements, createPrincipal({ account: 'a', thing: { name: 't', attributes: {} } }))];
    },
    hostile: variables,
  },
  'export of denies to AWS': {
    parse: (text) =>
      exportToAws(statement(text, 'deny') as never, { account: 'a', thingName: 't', requireAttached: false }),
    hostile: { levels: (size) => `topic:${Array.from({ length: Math.min(128, size >> 3) }, () => 'a').join('/')}` },
  },
  'import of actions from AWS': {
    parse: (text) => importFromAws('p', aws(text, '*'), { region: 'eu-central-1', awsAccount: '1' }),
    hostile: { stars: between('iot:', '*', 'x'), 'stars and letters': between('iot:', '*o', 'x'), marks: fill('?') },
  },
  'import of resources from AWS': {
    parse: (text) => importFromAws('p', aws('iot:Publish', text), { region: 'eu-central-1', awsAccount: '1' }),
    hostile: {
      stars: between('arn:aws:iot:', '*', 'x:1:topic/a'),
      'open braces': between('arn:aws:iot:*:*:topic/', '${', ''),
      colons: fill('arn:'),
    },
  },
  matchesGlob: {
    parse: (text) => matchesGlob(text, 'a'.repeat(128)),
    hostile: { stars: fill('a*'), marks: fill('*?') },
  },
  parseAddress: { parse: parseAddress, hostile: plainTexts },
  parseRange: { parse: parseRange, hostile: plainTexts },
  'JWT of a device': { parse: (text) => decodeProtectedHeader(text), hostile: jwt },
  'access token': { parse: (text) => key.verify(text), hostile: jwt },
  readCursor: {
    parse: (text) => placeIn('things', { limit: 1, cursor: text }).after(/^[A-Za-z0-9:._-]{1,128}$/),
    hostile: plainTexts,
  },
  redact: {
    parse: redact,
    hostile: {
      ...jwt,
      'eyJ after hyphens': fill('-eyJ'),
      'twk_ after hyphens': fill('-twk_'),
      keys: fill('-----BEGIN PRIVATE KEY-----'),
      'beginnings of keys': fill('-----BEGIN '),
    },
  },
  'X-Forwarded-For': {
    parse: (text) => proxied.inject({ url: '/', headers: { 'x-forwarded-for': text } }),
    hostile: { hops: fill('10.0.0.1, '), commas: fill(','), blanks: fill(' '), colons: fill(':') },
  },
  'event stream': {
    parse: async (text) => {
      const chunks = async function* () {
        for (let at = 0; at < text.length; at += 64) yield octets(text.slice(at, at + 64));
      };
      for await (const event of readEvents(chunks())) if (event.data === '') return;
    },
    hostile: { 'a long line': fill('a'), 'line feeds': fill('\n'), 'data lines': fill('data: a\n') },
  },
};

const most = 1024 * 1024;
const patienceMs = 5000;

/** The size at which an input costs more processor time than anybody waits, whatever else the machine does; undefined when a megabyte does not. Sizes double, so that a slow one is found early. */
async function slowAt({ parse }: Parser, make: (size: number) => string): Promise<number | undefined> {
  for (let size = 1024; size <= most; size *= 2) {
    const input = make(size);
    const before = process.cpuUsage();
    try {
      await parse(input);
    } catch {
      // Refused is fine.
    }
    const { user, system } = process.cpuUsage(before);
    if ((user + system) / 1000 > patienceMs) return size;
  }
  return undefined;
}

describe('parsers of what comes from outside', () => {
  for (const [name, parser] of Object.entries(parsers))
    it(`take a megabyte of anything: ${name}`, async () => {
      for (const [what, make] of Object.entries(parser.hostile))
        expect(await slowAt(parser, make), what).toBeUndefined();
    });
});
