import { type Finding, harms, inOrder, type Rules } from './finding.js';
import { readHocon, type Entry } from './hocon.js';
import { hostOf, isClear, isLocal } from './reach.js';

/** nanomq.conf. Where it says nothing, NanoMQ lets in: those defaults are found too. */
export const nanomq: Rules = (text) => {
  const entries = readHocon(text);
  const get: Get = (path) => entries.findLast((entry) => entry.path === path);
  return inOrder([...defaults(get), ...questions(entries), ...listeners(entries, get)]);
};

type Get = (path: string) => Entry | undefined;

const asked = 'auth.http_auth.auth_req.url';

function defaults(get: Get): Finding[] {
  const line = (path: string): number => (get(path) ?? get('auth'))?.line ?? 1;
  const findings: Finding[] = [];
  if (get('auth.allow_anonymous')?.value !== 'false')
    findings.push({
      rule: 'nanomq/anonymous',
      line: line('auth.allow_anonymous'),
      harm: 'who names no user is let in, revoked or not; this is the default where nothing is said',
      write: 'auth.allow_anonymous = false',
    });
  if (get('auth.no_match')?.value !== 'deny')
    findings.push({
      rule: 'nanomq/no-match',
      line: line('auth.no_match'),
      harm: 'what no rule matches is allowed: a device may publish and subscribe to everything',
      write: 'auth.no_match = deny',
    });
  return findings;
}

function questions(entries: readonly Entry[]): Finding[] {
  return entries
    .filter(({ path }) => /^auth\.http_auth\.(auth|super|acl)_req\.url$/.test(path))
    .flatMap(({ value, line }): Finding[] => {
      const findings: Finding[] = [];
      if (/\/integrations\/(emqx|rabbitmq|vernemq|mgate)|\/v1\/authorize/.test(value))
        findings.push({
          rule: 'nanomq/wrong-question',
          line,
          harm: 'NanoMQ reads the status alone, and this answers 200 with "deny" in it: everybody is let in',
          write: 'url = "https://things.example.com/integrations/mosquitto/user"',
        });
      if (isClear(value))
        findings.push({
          rule: 'nanomq/clear-server',
          line,
          harm: 'passwords and tokens are sent to Thingward in the clear, and anybody on the way can answer yes',
          write: `url = "${value.replace(/^http:/i, 'https:')}"`,
        });
      if (/[?&]key=|twk_/.test(value))
        findings.push({
          rule: 'nanomq/key-in-url',
          line,
          harm: harms.keyInUrl,
          write: 'headers.x-thingward-key = "twk_..."',
        });
      return findings;
    });
}

function listeners(entries: readonly Entry[], get: Get): Finding[] {
  return entries
    .filter(({ path }) => /^listeners\.(tcp|ssl|ws|wss)(\.[^.]+)?\.bind$/.test(path))
    .flatMap(({ path, value, line }) => {
      const name = path.slice(0, -'.bind'.length);
      if (get(`${name}.enable`)?.value === 'false') return [];
      return /^listeners\.(tcp|ws)\b/.test(name) ? plain(value, line, name) : certificates(name, line, get);
    });
}

function plain(bind: string, line: number, name: string): Finding[] {
  if (isLocal(hostOf(bind))) return [];
  const port = bind.slice(bind.lastIndexOf(':') + 1);
  return [
    { rule: 'nanomq/plain-listener', line, harm: harms.plainListener, write: `${name}.bind = "127.0.0.1:${port}"` },
  ];
}

/** NanoMQ reads no lists, so something has to ask. */
function certificates(name: string, line: number, get: Get): Finding[] {
  if (get(asked)) return [];
  const verify = get(`${name}.verify_peer`);
  const required = get(`${name}.fail_if_no_peer_cert`);
  const said = (rule: string, at: Entry | undefined, harm: string, write: string): Finding => ({
    rule: `nanomq/${rule}`,
    line: at?.line ?? line,
    harm,
    write,
  });
  if (verify?.value !== 'true')
    return [said('unverified-client', verify, harms.unverifiedClient, `${name}.verify_peer = true`)];
  const question = `${asked} = "https://things.example.com/integrations/mosquitto/user"`;
  return required?.value === 'true'
    ? [said('no-list', undefined, harms.noList, question)]
    : [said('certificate-optional', required, harms.certificateOptional, `${name}.fail_if_no_peer_cert = true`)];
}
