import { type Finding, harms, inOrder, promisedSeconds, type Rules } from './finding.js';
import { readHocon, type Entry } from './hocon.js';
import { secondsOf } from './plain-settings.js';
import { hostOf, isClear, isLocal } from './reach.js';

/** emqx.conf of EMQX 5 and 6. Where it says nothing, EMQX lets in: those defaults are found too. */
export const emqx: Rules = (text) => {
  const entries = readHocon(text);
  const get = (path: string): Entry | undefined => entries.findLast((entry) => entry.path === path);
  return inOrder([...authorization(get), ...backends(entries), ...listeners(entries, get)]);
};

type Get = (path: string) => Entry | undefined;

function authorization(get: Get): Finding[] {
  const line = (path: string): number => (get(path) ?? get('authorization'))?.line ?? 1;
  const findings: Finding[] = [];
  if (get('authorization.no_match')?.value !== 'deny')
    findings.push({
      rule: 'emqx/no-match',
      line: line('authorization.no_match'),
      harm: 'what no source answers is allowed, and an answer other than 200 and 204 counts as none: while Thingward is away, everybody may do everything',
      write: 'authorization.no_match = deny',
    });
  if (get('authorization.deny_action')?.value !== 'disconnect')
    findings.push({
      rule: 'emqx/deny-action',
      line: line('authorization.deny_action'),
      harm: 'a device that is refused stays connected, and still receives what it subscribed to',
      write: 'authorization.deny_action = disconnect',
    });
  const cache = get('authorization.cache.enable');
  const ttl = get('authorization.cache.ttl');
  // On, and a minute, where nothing is said.
  if (cache?.value !== 'false' && !(ttl && secondsOf(ttl.value) <= promisedSeconds))
    findings.push({
      rule: 'emqx/cache-time',
      line: (ttl ?? cache ?? get('authorization.cache') ?? get('authorization'))?.line ?? 1,
      harm: harms.cacheTime,
      write: `authorization.cache { enable = true, ttl = ${promisedSeconds}s }`,
    });
  return findings;
}

const backendUrl = /^(authentication(\.\d+)?|authorization\.sources\.\d+)\.(url|endpoint)$/;

function backends(entries: readonly Entry[]): Finding[] {
  const urls = entries.filter(({ path }) => backendUrl.test(path));
  const findings: Finding[] = [];
  if (!entries.some(({ path }) => /^authentication(\.\d+)?\.(mechanism|backend)$/.test(path)))
    findings.push({
      rule: 'emqx/no-authentication',
      line: 1,
      harm: 'without an authenticator everybody is let in',
      write:
        'authentication = [{ mechanism = password_based, backend = http, method = post, url = "https://things.example.com/integrations/emqx/authn" }]',
    });
  for (const { path, value, line } of urls) {
    if (isClear(value))
      findings.push({
        rule: 'emqx/clear-server',
        line,
        harm: 'passwords and tokens are sent to Thingward in the clear, and anybody on the way can answer "allow"',
        write: `url = "${value.replace(/^http:/i, 'https:')}"`,
      });
    if (/[?&]key=|twk_/.test(value))
      findings.push({
        rule: 'emqx/key-in-url',
        line,
        harm: harms.keyInUrl,
        write: 'headers { authorization = "Bearer twk_..." }',
      });
    const base = path.slice(0, path.lastIndexOf('.'));
    const verify = entries.findLast((entry) => entry.path === `${base}.ssl.verify`);
    if (/^https:/i.test(value) && verify?.value !== 'verify_peer')
      findings.push({
        rule: 'emqx/unverified-server',
        line: verify?.line ?? line,
        harm: 'anybody on the network can answer in place of Thingward, with "allow"',
        write: 'ssl { enable = true, verify = verify_peer, cacertfile = "/etc/ssl/certs/ca-certificates.crt" }',
      });
  }
  return findings;
}

// The listeners that EMQX opens where nothing is said of them.
const byDefault = { tcp: '0.0.0.0:1883', ws: '0.0.0.0:8083' };

function listeners(entries: readonly Entry[], get: Get): Finding[] {
  const named = new Set(entries.flatMap(({ path }) => /^listeners\.(tcp|ssl|ws|wss)\.[^.]+/.exec(path)?.[0] ?? []));
  for (const kind of Object.keys(byDefault)) named.add(`listeners.${kind}.default`);
  return [...named].flatMap((name) => {
    const [, kind] = name.split('.') as [string, string];
    const enable = get(`${name}.enable`) ?? get(`${name}.enabled`);
    if (enable?.value === 'false') return [];
    const line = (get(`${name}.bind`) ?? get(name))?.line ?? 1;
    return kind in byDefault ? plain(name, kind as 'tcp', line, get) : certificates(name, kind, line, get);
  });
}

function plain(name: string, kind: keyof typeof byDefault, line: number, get: Get): Finding[] {
  const bind = get(`${name}.bind`)?.value ?? byDefault[kind];
  if (isLocal(hostOf(bind))) return [];
  return [
    {
      rule: 'emqx/plain-listener',
      line,
      harm: 'tokens and passwords cross the network in the clear, and no certificate is asked for; it is open where nothing is said',
      write: `${name}.bind = "127.0.0.1:${bind.slice(bind.lastIndexOf(':') + 1)}"`,
    },
  ];
}

function certificates(name: string, kind: string, line: number, get: Get): Finding[] {
  const of = (what: string): Entry | undefined => get(`${name}.ssl_options.${what}`);
  const asks = ['authentication.0.mechanism', 'authentication.mechanism'].some(get);
  const verify = of('verify');
  const said = (rule: string, entry: Entry | undefined, harm: string, write: string): Finding => ({
    rule: `emqx/${rule}`,
    line: (entry ?? verify)?.line ?? line,
    harm,
    write: `${name}.ssl_options${write}`,
  });
  if (verify?.value !== 'verify_peer')
    return asks
      ? []
      : [
          said(
            'unverified-client',
            verify,
            harms.unverifiedClient,
            ' { verify = verify_peer, fail_if_no_peer_cert = true, enable_crl_check = true }',
          ),
        ];
  const findings: Finding[] = [];
  const required = of('fail_if_no_peer_cert');
  if (required?.value !== 'true' && !asks)
    findings.push(said('certificate-optional', required, harms.certificateOptional, '.fail_if_no_peer_cert = true'));
  const check = of('enable_crl_check');
  const where = kind === 'wss' ? ' here, even where the other listeners read one' : '';
  if (check?.value !== 'true')
    findings.push(
      said(
        'no-list',
        check,
        `no list of revoked certificates is read${where}: TLS lets a revoked device in`,
        '.enable_crl_check = true',
      ),
    );
  return findings;
}
