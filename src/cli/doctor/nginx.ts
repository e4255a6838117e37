import { find, own, readBlocks, type Directive } from './blocks.js';
import { type Around, type Finding, harms, inOrder, promisedSeconds, type Rules } from './finding.js';
import { listFindings } from './lists.js';
import { secondsOf } from './plain-settings.js';
import { hostOf, isLocal } from './reach.js';

/** nginx.conf, `http` and `stream`. */
export const nginx: Rules = (text, around) => {
  const tree = readBlocks(text, 'semicolon');
  const servers = [...find(tree, 'server')].filter(({ directive }) => directive.block);
  return inOrder([
    ...servers.flatMap(({ directive, around: outer }) => serverFindings(directive, outer, around)),
    ...authRequests(tree),
    ...keysInUrls(tree),
    ...stapling(tree),
  ]);
};

/** The directive in the block itself, or the nearest around it that has one. */
function inherited(block: Directive, outer: readonly Directive[], name: string): Directive | undefined {
  return [block, ...outer.toReversed()].map(({ block: inside }) => own(inside, name)).find(Boolean);
}

function serverFindings(server: Directive, outer: readonly Directive[], around: Around): Finding[] {
  const of = (name: string): Directive | undefined => inherited(server, outer, name);
  const verify = of('ssl_verify_client');
  const mode = verify?.words[1] ?? 'off';
  const findings = listens(server, outer);
  if (mode === 'off' || !verify) return findings;
  const asks = [...find(server.block!, 'auth_request'), ...find(server.block!, 'js_preread')].length > 0;
  if (mode !== 'on' && !asks && !mentions(server, '$ssl_client_verify'))
    findings.push({
      rule: 'nginx/certificate-optional',
      line: verify.line,
      harm: 'nothing looks at $ssl_client_verify: who has no certificate, or a revoked one, is served as well',
      write: 'ssl_verify_client on;',
    });
  return [...findings, ...crl(of, verify.line, asks, around)];
}

/** What is wrong with the list that a server reads, or that it reads none where nothing else tells it. */
function crl(of: (name: string) => Directive | undefined, line: number, asks: boolean, around: Around): Finding[] {
  const list = of('ssl_crl');
  const authorities = of('ssl_client_certificate') ?? of('ssl_trusted_certificate');
  if (list) {
    const named = { program: 'nginx', line: list.line, path: list.words[1]!, around };
    return listFindings(named, authorities?.words[1], 'whole');
  }
  const usesOcsp = (of('ssl_ocsp')?.words[1] ?? 'off') !== 'off';
  if (asks || usesOcsp) return [];
  return [
    {
      rule: 'nginx/no-list',
      line,
      harm: harms.noList,
      write: 'ssl_crl /etc/nginx/bundle.pem;',
    },
  ];
}

function listens({ block }: Directive, outer: readonly Directive[]): Finding[] {
  const isStream = outer.some(({ words }) => words[0] === 'stream');
  const redirects = own(block, 'return')?.words[2]?.startsWith('https:') ?? false;
  const passes = isStream || [...find(block!, 'auth_request'), ...find(block!, 'proxy_pass')].length > 0;
  if (redirects || !passes) return [];
  return block!
    .filter(({ words }) => words[0] === 'listen')
    .filter(({ words }) => !words.includes('ssl') && !words.includes('quic') && !isLocal(hostOf(words[1] ?? '')))
    .map(({ words, line }) => ({
      rule: 'nginx/plain-listener',
      line,
      harm: harms.plainListener,
      write: `listen ${words[1]} ssl;`,
    }));
}

/** `auth_request` allows by the status alone: what it asks, how long it keeps the answer, and what can be a way around it. */
function authRequests(tree: readonly Directive[]): Finding[] {
  const findings: Finding[] = [];
  for (const { directive, around } of find(tree, 'auth_request')) {
    const uri = directive.words[1] ?? 'off';
    if (uri === 'off') continue;
    const satisfy = [...around]
      .reverse()
      .map(({ block }) => own(block, 'satisfy'))
      .find(Boolean);
    if (satisfy?.words[1] === 'any')
      findings.push({
        rule: 'nginx/satisfy-any',
        line: satisfy.line,
        harm: 'an address that is allowed, or a password, is enough: Thingward is not asked',
        write: 'satisfy all;',
      });
    const server = around.findLast(({ words }) => words[0] === 'server') ?? around.at(-1);
    const asked = locationOf(server?.block, uri);
    if (asked) findings.push(...questionFindings(asked));
  }
  return findings;
}

function locationOf(block: readonly Directive[] | undefined, uri: string): Directive | undefined {
  return block?.find(({ words }) => words[0] === 'location' && words.at(-1) === uri);
}

function questionFindings(location: Directive): Finding[] {
  const pass = own(location.block, 'proxy_pass');
  const target = pass?.words[1] ?? '';
  const findings: Finding[] = [];
  if (/\/v1\/authorize(\/|\?|$)/.test(target))
    findings.push({
      rule: 'nginx/wrong-question',
      line: pass!.line,
      harm: '/v1/authorize answers 200 with "deny" in it, which is a yes to auth_request: everybody is let in',
      write: `proxy_pass ${target.slice(0, target.indexOf('/v1/authorize'))}/integrations/forward-auth/nginx;`,
    });
  for (const { words, line } of location.block?.filter(({ words: [name] }) => name === 'proxy_cache_valid') ?? []) {
    const time = words.at(-1)!;
    if (secondsOf(time) <= promisedSeconds) continue;
    findings.push({
      rule: 'nginx/cache-time',
      line,
      harm: harms.cacheTime,
      write: `proxy_cache_valid 204 ${promisedSeconds}s;`,
    });
  }
  const page = location.block?.find(({ words: [name] }) => name === 'error_page');
  if (page && /^(=|=20\d)$/.test(page.words.at(-2) ?? ''))
    findings.push({
      rule: 'nginx/error-page',
      line: page.line,
      harm: 'an error of the question becomes a yes',
      write: '# no error_page in the location that asks',
    });
  return findings;
}

function keysInUrls(tree: readonly Directive[]): Finding[] {
  return [...find(tree, 'proxy_pass')]
    .filter(({ directive }) => /[?&]key=|twk_/.test(directive.words[1] ?? ''))
    .map(({ directive }) => ({
      rule: 'nginx/key-in-url',
      line: directive.line,
      harm: harms.keyInUrl,
      write: 'proxy_set_header Authorization "Bearer twk_...";',
    }));
}

function stapling(tree: readonly Directive[]): Finding[] {
  return [...find(tree, 'ssl_stapling')]
    .filter(({ directive }) => directive.words[1] === 'on')
    .filter(({ around }) => around.every(({ block }) => own(block, 'ssl_stapling_verify')?.words[1] !== 'on'))
    .map(({ directive }) => ({
      rule: 'nginx/ocsp-unverified',
      line: directive.line,
      harm: 'an OCSP answer is passed on that nobody has verified',
      write: 'ssl_stapling_verify on;',
    }));
}

const mentions = ({ words, block }: Directive, what: string): boolean =>
  words.some((word) => word.includes(what)) || (block ?? []).some((inner) => mentions(inner, what));
