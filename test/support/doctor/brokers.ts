import { caseOf } from './case.js';

const mosquittoTls = `
listener 8883
cafile ca.pem
certfile tls.pem
keyfile tls.key
crlfile bundle.pem
require_certificate true`;
const goAuth = `
listener 1883 127.0.0.1
auth_plugin /usr/lib/mosquitto/go-auth.so
auth_opt_backends http`;

const mosquitto = [
  caseOf(
    'mosquitto',
    'anonymous',
    'listener 1883 127.0.0.1\nallow_anonymous true <--',
    `${mosquittoTls}\nallow_anonymous true`,
  ),
  caseOf('mosquitto', 'plain-listener', 'listener 1883 <--', 'listener 1883 127.0.0.1'),
  caseOf(
    'mosquitto',
    'certificate-optional',
    mosquittoTls.replace('require_certificate true', 'require_certificate false <--'),
    mosquittoTls,
  ),
  caseOf(
    'mosquitto',
    'no-list',
    mosquittoTls.replace('crlfile bundle.pem\n', '').replace('true', 'true <--'),
    mosquittoTls,
  ),
  caseOf(
    'mosquitto',
    'unverified-server',
    `${goAuth}\nauth_opt_http_host things.example.com\nauth_opt_http_with_tls true <--`,
    `${goAuth}\nauth_opt_http_host things.example.com\nauth_opt_http_with_tls true\nauth_opt_http_verify_peer true`,
  ),
  caseOf(
    'mosquitto',
    'clear-server',
    `${goAuth}\nauth_opt_http_host things.example.com <--`,
    `${goAuth}\nauth_opt_http_host 127.0.0.1`,
  ),
  caseOf(
    'mosquitto',
    'cache-time',
    `${goAuth}\nauth_opt_cache true\nauth_opt_auth_cache_seconds 5\nauth_opt_acl_cache_seconds 60 <--`,
    `${goAuth}\nauth_opt_cache true\nauth_opt_auth_cache_seconds 5\nauth_opt_acl_cache_seconds 5`,
  ),
];

const rabbit = `
mqtt.allow_anonymous = false
mqtt.listeners.tcp = none
mqtt.listeners.ssl.1 = 8883
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = true
auth_backends.1 = http
auth_http.http_method = post
auth_http.user_path = http://127.0.0.1:8080/integrations/rabbitmq/user`;
const withoutBackend = rabbit.split('\n').slice(0, 6).join('\n');

const rabbitmq = [
  caseOf('rabbitmq', 'anonymous', rabbit.replace('allow_anonymous = false', 'allow_anonymous = true <--'), rabbit),
  caseOf(
    'rabbitmq',
    'plain-listener',
    rabbit.replace('mqtt.listeners.tcp = none', 'mqtt.listeners.tcp.1 = 1883 <--'),
    rabbit.replace('mqtt.listeners.tcp = none', 'mqtt.listeners.tcp.1 = 127.0.0.1:1883'),
  ),
  caseOf('rabbitmq', 'unverified-client', rabbit.replace('verify_peer', 'verify_none <--'), rabbit),
  caseOf('rabbitmq', 'certificate-optional', rabbit.replace('no_peer_cert = true', 'no_peer_cert = false <--'), rabbit),
  caseOf('rabbitmq', 'no-list', withoutBackend.replace('8883', '8883 <--'), rabbit),
  caseOf(
    'rabbitmq',
    'common-name',
    `${withoutBackend}\nssl_options.crl_check = true\nmqtt.ssl_cert_login = true\nssl_cert_login_from = common_name <--`,
    `${rabbit}\nmqtt.ssl_cert_login = true\nssl_cert_login_from = common_name`,
  ),
  caseOf(
    'rabbitmq',
    'clear-server',
    rabbit.replace(/127\.0\.0\.1:8080(.*)/, 'things.example.com$1 <--'),
    `${rabbit.replace('http://127.0.0.1:8080', 'https://things.example.com')}\nauth_http.ssl_options.verify = verify_peer`,
  ),
  caseOf(
    'rabbitmq',
    'unverified-server',
    rabbit.replace(/http:\/\/127\.0\.0\.1:8080(.*)/, 'https://things.example.com$1 <--'),
    `${rabbit.replace('http://127.0.0.1:8080', 'https://things.example.com')}\nauth_http.ssl_options.verify = verify_peer`,
  ),
  caseOf('rabbitmq', 'password-in-url', rabbit.replace('= post', '= get <--'), rabbit),
  caseOf(
    'rabbitmq',
    'cache-time',
    rabbit.replace('auth_backends.1 = http', 'auth_backends.1 = cache <--'),
    `${rabbit.replace('auth_backends.1 = http', 'auth_backends.1 = cache')}\nauth_cache.cached_backend = http\nauth_cache.cache_ttl = 5000`,
  ),
];

const nano = `
auth {
  allow_anonymous = false
  no_match = deny
  password = {include "/etc/nanomq_pwd.conf"}
  http_auth = {
    auth_req {
      url = "https://things.example.com/integrations/mosquitto/user"
      headers.x-thingward-key = "twk_KEY"
    }
  }
}
listeners.ssl {
  bind = "0.0.0.0:8883"
  verify_peer = true
  fail_if_no_peer_cert = true
}`;
// Certificates alone, which nothing asks about.
const nanoAlone = nano.replace(/ {2}http_auth[^]*?\n {2}\}\n/, '');
const nanoLocal = nanoAlone.replace(/listeners\.ssl[^]*/, 'listeners.tcp { bind = "127.0.0.1:1883" }');

const nanomq = [
  caseOf('nanomq', 'anonymous', nano.replace('anonymous = false', 'anonymous = true <--'), nano),
  caseOf('nanomq', 'no-match', nano.replace('match = deny', 'match = allow <--'), nano),
  caseOf('nanomq', 'wrong-question', nano.replace('mosquitto/user"', 'emqx/authn" <--'), nano),
  caseOf('nanomq', 'clear-server', nano.replace(/https:(.*)/, 'http:$1 <--'), nano),
  caseOf('nanomq', 'key-in-url', nano.replace('user"', 'user?key=twk_KEY" <--'), nano),
  caseOf('nanomq', 'plain-listener', nanoLocal.replace(/127\.0\.0\.1(.*)/, '0.0.0.0$1 <--'), nanoLocal),
  caseOf('nanomq', 'unverified-client', nanoAlone.replace('verify_peer = true', 'verify_peer = false <--'), nano),
  caseOf('nanomq', 'certificate-optional', nanoAlone.replace('peer_cert = true', 'peer_cert = false <--'), nano),
  caseOf('nanomq', 'no-list', nanoAlone.replace('8883"', '8883" <--'), nano),
];

const hooks = ['auth_on_register', 'auth_on_publish', 'auth_on_subscribe'].flatMap((hook) => [hook, `${hook}_m5`]);
const verne = `
allow_anonymous = off
listener.tcp.default = 127.0.0.1:1883
listener.ssl.default = 0.0.0.0:8883
listener.ssl.default.require_certificate = on
listener.ssl.default.crlfile = bundle.pem
plugins.vmq_acl = off
plugins.vmq_passwd = off
plugins.vmq_webhooks = on
${hooks.map((hook, n) => `vmq_webhooks.a${n}.hook = ${hook}\nvmq_webhooks.a${n}.endpoint = http://127.0.0.1:8080/integrations/vernemq`).join('\n')}`;
const verneAlone = verne.split('\n').slice(0, 6).join('\n');

const vernemq = [
  caseOf('vernemq', 'anonymous', verne.replace('anonymous = off', 'anonymous = on <--'), verne),
  caseOf(
    'vernemq',
    'netsplit',
    `${verne}\nallow_register_during_netsplit = on <--`,
    `${verne}\nallow_register_during_netsplit = off`,
  ),
  caseOf('vernemq', 'plain-listener', verne.replace('127.0.0.1:1883', '0.0.0.0:1883 <--'), verne),
  caseOf(
    'vernemq',
    'clear-server',
    verne.replace('http://127.0.0.1:8080/integrations/vernemq', 'http://things.example.com/integrations/vernemq <--'),
    verne.replace('http://127.0.0.1:8080', 'https://things.example.com'),
  ),
  caseOf(
    'vernemq',
    'certificate-optional',
    verneAlone.replace('certificate = on', 'certificate = off <--'),
    verneAlone,
  ),
  caseOf(
    'vernemq',
    'no-list',
    verne.replace(/require_certificate = on\n.*crlfile.*\n/, 'require_certificate = on <--\n'),
    verne,
  ),
  caseOf('vernemq', 'other-plugin', verne.replace('vmq_acl = off', 'vmq_acl = on <--'), verne),
  caseOf(
    'vernemq',
    'hook-missing',
    verne.replace('hook = auth_on_publish_m5', 'hook = on_publish').replace('webhooks = on', 'webhooks = on <--'),
    verne,
  ),
];

const emqxGood = `
authentication = [{
  mechanism = password_based, backend = http, method = post
  url = "http://127.0.0.1:8080/integrations/emqx/authn" # beside us
}]
authorization {
  no_match = deny
  deny_action = disconnect
  cache { enable = true, ttl = 5s }
  sources = []
}
listeners.tcp.default.bind = "127.0.0.1:1883"
listeners.ws.default { enable = false }
listeners.ssl.default {
  bind = "0.0.0.0:8883"
  ssl_options {
    verify = verify_peer
    fail_if_no_peer_cert = true
    enable_crl_check = true
  }
}`;
const emqxUrl = 'http://127.0.0.1:8080/integrations/emqx/authn" # beside us';
const emqxSecure = emqxGood.replace(
  emqxUrl,
  'https://things.example.com/integrations/emqx/authn"\n  ssl { enable = true, verify = verify_peer }',
);
const emqxAlone = emqxGood.slice(emqxGood.indexOf('authorization'));
const internal = 'authentication = [{ mechanism = password_based, backend = built_in_database }]\n';

const emqx = [
  caseOf('emqx', 'no-match', emqxGood.replace('no_match = deny', 'no_match = allow <--'), emqxGood),
  caseOf('emqx', 'deny-action', emqxGood.replace('= disconnect', '= ignore <--'), emqxGood),
  caseOf('emqx', 'cache-time', emqxGood.replace('ttl = 5s }', 'ttl = 1m } <--'), emqxGood),
  caseOf('emqx', 'no-authentication', `# nothing <--\n${emqxAlone}`, internal + emqxAlone),
  caseOf(
    'emqx',
    'clear-server',
    emqxGood.replace('127.0.0.1:8080', 'things.example.com').replace('beside us', '<--'),
    emqxSecure,
  ),
  caseOf('emqx', 'key-in-url', emqxGood.replace('/authn"', '/authn?key=twk_x"').replace('beside us', '<--'), emqxGood),
  caseOf(
    'emqx',
    'unverified-server',
    emqxSecure.replace('verify = verify_peer', 'verify = verify_none <--'),
    emqxSecure,
  ),
  caseOf('emqx', 'plain-listener', emqxGood.replace('"127.0.0.1:1883"', '"0.0.0.0:1883" <--'), emqxGood),
  caseOf('emqx', 'no-list', emqxGood.replace('crl_check = true', 'crl_check = false <--'), emqxGood),
];

/** Brokers. */
export const brokerCases = [...mosquitto, ...rabbitmq, ...vernemq, ...emqx, ...nanomq];
