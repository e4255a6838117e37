import { type Finding, harms, inOrder, promisedSeconds, type Rules } from './finding.js';
import { isOn, lastOf, readSettings, secondsOf, type Setting } from './plain-settings.js';
import { hostOf, isClear, isLocal } from './reach.js';

const plainListener = /^(mqtt\.listeners\.tcp\.|web_mqtt\.tcp\.)/;
const paths = /^auth_http\.(user|vhost|resource|topic)_path$/;

/** rabbitmq.conf with the MQTT plugin, and the HTTP backend where it is used. */
export const rabbitmq: Rules = (text) => {
  const settings = readSettings(text, '=');
  const usesCertificates = settings.some(({ name }) => /^mqtt\.listeners\.ssl\./.test(name));
  return inOrder([
    ...anonymous(settings),
    ...plain(settings),
    ...(usesCertificates ? certificates(settings) : []),
    ...backend(settings),
  ]);
};

/** True is the default of the plugin, together with a default user who may do anything. */
function anonymous(settings: readonly Setting[]): Finding[] {
  const setting = lastOf(settings, 'mqtt.allow_anonymous');
  if (setting && !isOn(setting)) return [];
  return [
    {
      rule: 'rabbitmq/anonymous',
      line: setting?.line ?? 1,
      harm: 'who names no user is let in as the default user, revoked or not; this is the default where nothing is said',
      write: 'mqtt.allow_anonymous = false',
    },
  ];
}

function plain(settings: readonly Setting[]): Finding[] {
  const open = settings
    .filter(({ name, value }) => plainListener.test(name) && value !== 'none' && !isLocal(hostOf(value)))
    .filter(({ name }) => !name.endsWith('.ip'));
  return open.map(({ name, value, line }) => ({
    rule: 'rabbitmq/plain-listener',
    line,
    harm: harms.plainListener,
    write: `${name} = 127.0.0.1:${value.slice(value.lastIndexOf(':') + 1)}`,
  }));
}

function certificates(settings: readonly Setting[]): Finding[] {
  const line = settings.find(({ name }) => /^mqtt\.listeners\.ssl\./.test(name))!.line;
  const verify = lastOf(settings, 'ssl_options.verify');
  const required = lastOf(settings, 'ssl_options.fail_if_no_peer_cert');
  const findings: Finding[] = [];
  if (verify?.value !== 'verify_peer')
    findings.push({
      rule: 'rabbitmq/unverified-client',
      line: verify?.line ?? line,
      harm: harms.unverifiedClient,
      write: 'ssl_options.verify = verify_peer',
    });
  if (!isOn(required))
    findings.push({
      rule: 'rabbitmq/certificate-optional',
      line: required?.line ?? line,
      harm: harms.certificateOptional,
      write: 'ssl_options.fail_if_no_peer_cert = true',
    });
  return [...findings, ...revocation(settings, line)];
}

/** Somebody has to tell what is revoked, and whose name a certificate has. */
function revocation(settings: readonly Setting[], line: number): Finding[] {
  if (lastOf(settings, 'trust_store.url') ?? settings.some(({ name }) => paths.test(name))) return [];
  const findings: Finding[] = [];
  if (!settings.some(({ name }) => name.startsWith('ssl_options.crl_check')))
    findings.push({
      rule: 'rabbitmq/no-list',
      line,
      harm: 'nothing tells the broker what is revoked: a revoked device is let in until its certificate ends',
      write: 'auth_backends.1 = http\nauth_http.user_path = http://127.0.0.1:8080/integrations/rabbitmq/user',
    });
  if (isOn(lastOf(settings, 'mqtt.ssl_cert_login')))
    findings.push({
      rule: 'rabbitmq/common-name',
      line: lastOf(settings, 'ssl_cert_login_from')?.line ?? line,
      harm: 'the name in a certificate is believed whoever issued it: a thing of another account with the same name is this one',
      write: 'auth_backends.1 = http',
    });
  return findings;
}

function backend(settings: readonly Setting[]): Finding[] {
  const used = settings.filter(({ name }) => paths.test(name));
  const findings = used
    .filter(({ value }) => isClear(value))
    .map(({ name, value, line }): Finding => ({
      rule: 'rabbitmq/clear-server',
      line,
      harm: 'passwords and tokens are sent to Thingward in the clear, and anybody on the way can answer "allow"',
      write: `${name} = ${value.replace(/^http:/i, 'https:')}`,
    }));
  const secure = used.find(({ value }) => /^https:/i.test(value));
  const verify = lastOf(settings, 'auth_http.ssl_options.verify');
  if (secure && verify?.value !== 'verify_peer')
    findings.push({
      rule: 'rabbitmq/unverified-server',
      line: verify?.line ?? secure.line,
      harm: 'anybody on the network can answer in place of Thingward, with "allow"',
      write: 'auth_http.ssl_options.verify = verify_peer',
    });
  return [...findings, ...method(settings, used), ...cache(settings)];
}

function method(settings: readonly Setting[], used: readonly Setting[]): Finding[] {
  const given = lastOf(settings, 'auth_http.http_method');
  // It is GET where nothing is said.
  if (used.length === 0 || given?.value.toLowerCase() === 'post') return [];
  return [
    {
      rule: 'rabbitmq/password-in-url',
      line: given?.line ?? used[0]!.line,
      harm: 'passwords and tokens are in the URLs of the questions, and in every log that keeps those',
      write: 'auth_http.http_method = post',
    },
  ];
}

function cache(settings: readonly Setting[]): Finding[] {
  const used = settings.find(
    ({ name, value }) => /^auth_backends\./.test(name) && /^(cache|rabbit_auth_backend_cache)$/.test(value),
  );
  const ttl = lastOf(settings, 'auth_cache.cache_ttl');
  // Milliseconds; 15 seconds where nothing is said.
  if (!used || (ttl && secondsOf(ttl.value, 0.001) <= promisedSeconds)) return [];
  return [
    {
      rule: 'rabbitmq/cache-time',
      line: ttl?.line ?? used.line,
      harm: harms.cacheTime,
      write: `auth_cache.cache_ttl = ${promisedSeconds * 1000}`,
    },
  ];
}
