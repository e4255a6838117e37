import { type Finding, harms, inOrder, type Rules } from './finding.js';
import { listFindings } from './lists.js';
import { withoutComment } from './plain-settings.js';
import { hostOf, isLocal } from './reach.js';

type Line = { words: string[]; line: number };
type Section = { kind: string; lines: Line[] };

const sections =
  /^(global|defaults|frontend|backend|listen|resolvers|userlist|peers|cache|program|ring|mailers|http-errors|fcgi-app)$/;
const ignores = /^(ca|crt)-ignore-err$/;

/** haproxy.cfg. */
export const haproxy: Rules = (text, around) =>
  inOrder(sectionsOf(text).flatMap((section) => section.lines.flatMap((line) => lineFindings(section, line, around))));

function sectionsOf(text: string): Section[] {
  const found: Section[] = [{ kind: 'global', lines: [] }];
  text.split('\n').forEach((raw, index) => {
    const words = withoutComment(raw).trim().split(/\s+/);
    if (words[0] === '') return;
    if (sections.test(words[0]!) && !/^\s/.test(raw)) found.push({ kind: words[0]!, lines: [] });
    else found.at(-1)!.lines.push({ words, line: index + 1 });
  });
  return found;
}

function lineFindings(section: Section, { words, line }: Line, around: Parameters<Rules>[1]): Finding[] {
  if (words[0] === 'bind') return bindFindings(section, { words, line }, around);
  const text = words.join(' ');
  const findings: Finding[] = [];
  if (words[0] === 'server' && words.includes('ssl') && after(words, 'verify') === 'none')
    findings.push({
      rule: 'haproxy/unverified-server',
      line,
      harm: 'anybody on the network can answer in place of this server, and of Thingward with yes',
      write: text.replace('verify none', 'verify required ca-file /etc/ssl/certs/ca-certificates.crt'),
    });
  if (words[0] === 'http-request' && words[1]?.startsWith('lua.') && !isJudged(section))
    findings.push({
      rule: 'haproxy/answer-unused',
      line,
      harm: 'Thingward is asked, and nothing refuses on what it answers',
      write: 'http-request deny unless { var(txn.authz) -m int 200:299 }',
    });
  if (/[?&]key=|twk_/.test(words.find((word) => /^https?:/.test(word)) ?? ''))
    findings.push({
      rule: 'haproxy/key-in-url',
      line,
      harm: harms.keyInUrl,
      write: 'a header: authorization: Bearer twk_...',
    });
  return findings;
}

function bindFindings(section: Section, { words, line }: Line, around: Parameters<Rules>[1]): Finding[] {
  const text = words.join(' ');
  if (!words.includes('ssl'))
    return isLocal(hostOf(words[1] ?? '')) || words.includes('accept-proxy') || redirects(section)
      ? []
      : [
          {
            rule: 'haproxy/plain-listener',
            line,
            harm: harms.plainListener,
            write: `${text} ssl crt /etc/haproxy/edge.pem`,
          },
        ];
  const verify = after(words, 'verify');
  if (!verify || verify === 'none') return [];
  const findings: Finding[] = [];
  const ignored = words.find((word) => ignores.test(word));
  if (ignored)
    findings.push({
      rule: 'haproxy/errors-ignored',
      line,
      harm: 'certificates that failed, revoked ones too, are taken for good ones',
      write: text.replace(`${ignored} ${after(words, ignored)}`, '').replaceAll('  ', ' '),
    });
  if (verify === 'optional' && !isLookedAt(section))
    findings.push({
      rule: 'haproxy/certificate-optional',
      line,
      harm: 'nothing asks whether there was a certificate: a revoked device connects without one',
      write: text.replace('verify optional', 'verify required'),
    });
  const list = after(words, 'crl-file');
  if (list)
    return [
      ...findings,
      ...listFindings({ program: 'haproxy', line, path: list, around }, after(words, 'ca-file'), 'whole'),
    ];
  if (!isJudged(section))
    findings.push({
      rule: 'haproxy/no-list',
      line,
      harm: harms.noList,
      write: `${text} crl-file /etc/haproxy/bundle.pem`,
    });
  return findings;
}

const after = (words: readonly string[], name: string): string | undefined => {
  const at = words.indexOf(name);
  return at < 0 ? undefined : words[at + 1];
};

const refuses = /^(http-request (deny|reject)|tcp-request (content|connection|session) reject)\b/;

/** Whether something refuses on a variable, as the answer of Thingward is kept in. */
const isJudged = ({ lines }: Section): boolean =>
  lines.some(({ words }) => refuses.test(words.join(' ')) && /var\(|ssl_c_serial/.test(words.join(' ')));

const isLookedAt = (section: Section): boolean =>
  isJudged(section) ||
  section.lines.some(({ words }) => /ssl_c_used|ssl_c_verify|ssl_fc_has_crt/.test(words.join(' ')));

const redirects = ({ lines }: Section): boolean =>
  lines.some(({ words }) => /^(http-request )?redirect scheme https/.test(words.join(' ')));
