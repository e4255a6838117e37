import { type Finding, harms, inOrder, promisedSeconds, type Rules } from './finding.js';
import { listFindings } from './lists.js';
import { isOn, lastOf, readSettings, secondsOf, type Setting } from './plain-settings.js';
import { isLocal } from './reach.js';

/** Settings of one listener; those before the first listener are of all. */
type Listener = { line: number; port: string; host: string; settings: Setting[] };

/** mosquitto.conf, with the plugin mosquitto-go-auth where it is loaded (mosquitto.conf(5)). */
export const mosquitto: Rules = (text, around) => {
  const settings = readSettings(text, ' ');
  const { common, listeners } = inListeners(settings);
  const findings: Finding[] = [...anonymous(settings, common, listeners), ...goAuth(settings)];
  for (const listener of listeners) {
    const all = [...common, ...listener.settings];
    const authorities = lastOf(all, 'cafile');
    const certificate = lastOf(all, 'certfile');
    if (!certificate) {
      if (!isLocal(listener.host)) findings.push(plainListener(listener));
      continue;
    }
    if (!authorities && !lastOf(all, 'capath')) continue;
    findings.push(...clientCertificates(listener, all));
    const list = lastOf(all, 'crlfile');
    if (list)
      findings.push(
        ...listFindings(
          { program: 'mosquitto', line: list.line, path: list.value, around },
          authorities?.value,
          'leaf',
        ),
      );
  }
  return inOrder(findings);
};

function inListeners(settings: readonly Setting[]): { common: Setting[]; listeners: Listener[] } {
  const common: Setting[] = [];
  const listeners: Listener[] = [];
  for (const setting of settings) {
    if (setting.name === 'listener') {
      const [port = '', host = ''] = setting.value.split(/\s+/);
      listeners.push({ line: setting.line, port, host, settings: [] });
    } else (listeners.at(-1)?.settings ?? common).push(setting);
  }
  return { common, listeners };
}

/** Where every listener requires a certificate, nobody is anonymous. */
function anonymous(
  settings: readonly Setting[],
  common: readonly Setting[],
  listeners: readonly Listener[],
): Finding[] {
  const requires = (own: readonly Setting[]): boolean => isOn(lastOf([...common, ...own], 'require_certificate'));
  if (listeners.length > 0 && listeners.every((listener) => requires(listener.settings))) return [];
  return settings
    .filter((setting) => setting.name === 'allow_anonymous' && isOn(setting))
    .map(({ line }) => ({
      rule: 'mosquitto/anonymous',
      line,
      harm: 'who names no user is let in: a revoked device connects without its certificate or token',
      write: 'allow_anonymous false',
    }));
}

function plainListener({ line, port }: Listener): Finding {
  return {
    rule: 'mosquitto/plain-listener',
    line,
    harm: harms.plainListener,
    write: `listener ${port} 127.0.0.1`,
  };
}

function clientCertificates(listener: Listener, all: readonly Setting[]): Finding[] {
  const required = lastOf(all, 'require_certificate');
  if (!isOn(required))
    return [
      {
        rule: 'mosquitto/certificate-optional',
        line: required?.line ?? listener.line,
        harm: harms.certificateOptional,
        write: 'require_certificate true',
      },
    ];
  const findings: Finding[] = [];
  if (!lastOf(all, 'crlfile'))
    findings.push({
      rule: 'mosquitto/no-list',
      line: required!.line,
      harm: harms.noList,
      write: 'crlfile /etc/mosquitto/bundle.pem',
    });
  return findings;
}

const cacheTimes = /^auth_opt_(auth|acl)_cache_seconds$/;

/** mosquitto-go-auth: TLS to Thingward that believes anybody, and answers that are kept too long. */
function goAuth(settings: readonly Setting[]): Finding[] {
  const findings: Finding[] = [];
  for (const kind of ['http', 'jwt']) {
    const tls = lastOf(settings, `auth_opt_${kind}_with_tls`);
    const verify = lastOf(settings, `auth_opt_${kind}_verify_peer`);
    const host = lastOf(settings, `auth_opt_${kind}_host`);
    if (isOn(tls) && !isOn(verify))
      findings.push({
        rule: 'mosquitto/unverified-server',
        line: verify?.line ?? tls!.line,
        harm: 'anybody on the network can answer in place of Thingward, with yes',
        write: `auth_opt_${kind}_verify_peer true`,
      });
    if (host && !isOn(tls) && !isLocal(host.value))
      findings.push({
        rule: 'mosquitto/clear-server',
        line: host.line,
        harm: 'passwords and tokens are sent to Thingward in the clear, and anybody on the way can answer',
        write: `auth_opt_${kind}_with_tls true`,
      });
  }
  if (!isOn(lastOf(settings, 'auth_opt_cache'))) return findings;
  const given = settings.filter(({ name }) => cacheTimes.test(name));
  const long = given.filter(({ value }) => secondsOf(value) > promisedSeconds);
  const cache = lastOf(settings, 'auth_opt_cache')!;
  // 30 seconds where nothing is said.
  if (given.length < 2) long.push(cache);
  if (isOn(lastOf(settings, 'auth_opt_cache_refresh'))) long.push(lastOf(settings, 'auth_opt_cache_refresh')!);
  return [
    ...findings,
    ...long.map(({ line, name }): Finding => ({
      rule: 'mosquitto/cache-time',
      line,
      harm: harms.cacheTime,
      write: name.endsWith('cache_refresh')
        ? 'auth_opt_cache_refresh false'
        : `auth_opt_auth_cache_seconds ${promisedSeconds}\nauth_opt_acl_cache_seconds ${promisedSeconds}`,
    })),
  ];
}
