import { find, own, readBlocks, type Directive } from './blocks.js';
import { type Finding, harms, inOrder, type Rules } from './finding.js';
import { isClear, isLocal } from './reach.js';

/** A Caddyfile. Caddy reads no lists: what asks Thingward is the check of revocation. */
export const caddy: Rules = (text) => {
  const tree = readBlocks(text, 'line');
  const sites = tree.filter(({ words, block }) => block && words.length > 0 && !words[0]!.startsWith('('));
  return inOrder([...sites.flatMap(siteFindings), ...questions(tree), ...unverified(tree)]);
};

function siteFindings(site: Directive): Finding[] {
  const findings: Finding[] = [];
  const asks = [...find(site.block!, 'forward_auth')].length > 0;
  const passes = asks || [...find(site.block!, 'reverse_proxy')].length > 0;
  const addresses = site.words.map((word) => word.replace(/,$/, ''));
  const clear = addresses.find((address) => address.startsWith('http://') && !isLocal(hostIn(address)));
  if (clear && passes)
    findings.push({
      rule: 'caddy/plain-listener',
      line: site.line,
      harm: harms.plainListener,
      write: clear.replace('http:', 'https:'),
    });
  for (const { directive } of find(site.block!, 'client_auth')) {
    const mode = own(directive.block, 'mode');
    const name = mode?.words[1];
    if (name === 'require_and_verify' || !name) {
      if (!asks)
        findings.push({
          rule: 'caddy/no-list',
          line: directive.line,
          harm: 'Caddy reads no lists: a revoked device is let in until its certificate ends',
          write: 'forward_auth things.example.com { uri /integrations/forward-auth/caddy }',
        });
      continue;
    }
    const isJudged = name === 'verify_if_given';
    if (isJudged && asks) continue;
    findings.push({
      rule: isJudged ? 'caddy/certificate-optional' : 'caddy/unverified-client',
      line: mode.line,
      harm: isJudged ? harms.certificateOptional : harms.unverifiedClient,
      write: 'mode require_and_verify',
    });
  }
  return findings;
}

const hostIn = (address: string): string => /^http:\/\/(\[[^\]]*\]|[^:/]*)/.exec(address)?.[1] ?? '';

function questions(tree: readonly Directive[]): Finding[] {
  const findings: Finding[] = [];
  for (const { directive } of find(tree, 'forward_auth')) {
    const target = directive.words[1] ?? '';
    const uri = own(directive.block, 'uri');
    const path = uri?.words[1] ?? '';
    if (/^\/v1\/authorize/.test(path))
      findings.push({
        rule: 'caddy/wrong-question',
        line: uri!.line,
        harm: '/v1/authorize answers 200 with "deny" in it, which is a yes to forward_auth: everybody is let in',
        write: 'uri /integrations/forward-auth/caddy',
      });
    if (/[?&]key=|twk_/.test(path))
      findings.push({
        rule: 'caddy/key-in-url',
        line: uri!.line,
        harm: harms.keyInUrl,
        write: 'header_up Authorization "Bearer twk_..."',
      });
    const isHttps = target.startsWith('https:');
    if (!isHttps && isClear(target.includes('://') ? target : `http://${target}`))
      findings.push({
        rule: 'caddy/clear-server',
        line: directive.line,
        harm: 'tokens are sent to Thingward in the clear, and anybody on the way can answer yes',
        write: `forward_auth https://${target.replace(/^http:\/\//, '')}`,
      });
  }
  return findings;
}

function unverified(tree: readonly Directive[]): Finding[] {
  return [...find(tree, 'tls_insecure_skip_verify')].map(({ directive }) => ({
    rule: 'caddy/unverified-server',
    line: directive.line,
    harm: 'anybody on the network can answer in place of this server, and of Thingward with yes',
    write: 'tls_trust_pool file /etc/caddy/thingward-ca.pem',
  }));
}
