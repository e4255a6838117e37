import { caseOf } from './case.js';

const nginxServer = `
http {
  server {
    listen 443 ssl;
    ssl_client_certificate ca.pem;
    ssl_verify_client on;
    ssl_crl bundle.pem;
    location / { proxy_pass http://127.0.0.1:9000; }
  }
}`;
const nginxAsks = `
http {
  server {
    listen 443 ssl;
    ssl_client_certificate ca.pem;
    ssl_verify_client optional;
    location / {
      auth_request /_authz;
      proxy_pass http://127.0.0.1:9000;
    }
    location = /_authz {
      internal;
      proxy_pass http://127.0.0.1:8080/integrations/forward-auth/nginx;
      proxy_cache_valid 204 5s;
    }
  }
}`;

const nginx = [
  caseOf('nginx', 'certificate-optional', nginxServer.replace('client on;', 'client optional; <--'), nginxServer),
  caseOf(
    'nginx',
    'no-list',
    nginxServer.replace('client on;', 'client on; <--').replace(/.*ssl_crl.*\n/, ''),
    nginxServer,
  ),
  caseOf('nginx', 'plain-listener', nginxServer.replace('listen 443 ssl;', 'listen 80; <--'), nginxServer),
  caseOf(
    'nginx',
    'satisfy-any',
    nginxAsks.replace('auth_request /_authz;', 'satisfy any; <--\n      auth_request /_authz;'),
    nginxAsks,
  ),
  caseOf(
    'nginx',
    'wrong-question',
    nginxAsks.replace('/integrations/forward-auth/nginx;', '/v1/authorize; <--'),
    nginxAsks,
  ),
  caseOf('nginx', 'cache-time', nginxAsks.replace('204 5s;', '204 10m; <--'), nginxAsks),
  caseOf(
    'nginx',
    'error-page',
    nginxAsks.replace('internal;', 'internal;\n      error_page 500 502 =200 /ok; <--'),
    nginxAsks,
  ),
  caseOf('nginx', 'key-in-url', nginxAsks.replace('auth/nginx;', 'auth/nginx?key=twk_x; <--'), nginxAsks),
  caseOf(
    'nginx',
    'ocsp-unverified',
    nginxServer.replace('ssl_crl', 'ssl_stapling on; <--\n    ssl_crl'),
    nginxServer.replace('ssl_crl', 'ssl_stapling on; ssl_stapling_verify on;\n    ssl_crl'),
  ),
];

const haproxyFront = `
frontend edge
  mode http
  bind :443 ssl crt edge.pem ca-file ca.pem verify required crl-file bundle.pem
  default_backend service
backend service
  server one 127.0.0.1:9000`;
const haproxyAsks = `
frontend edge
  mode http
  bind :443 ssl crt edge.pem ca-file ca.pem verify optional
  http-request lua.thingward
  http-request deny unless { var(txn.authz) -m int 200:299 }
  default_backend service
backend service
  server one things.example.com:443 ssl verify required ca-file roots.pem`;

const haproxy = [
  caseOf('haproxy', 'no-list', haproxyFront.replace(' crl-file bundle.pem', ' <--'), haproxyFront),
  caseOf(
    'haproxy',
    'certificate-optional',
    haproxyFront.replace('required crl-file bundle.pem', 'optional crl-file bundle.pem <--'),
    haproxyFront,
  ),
  caseOf(
    'haproxy',
    'errors-ignored',
    haproxyFront
      .replace('verify required', 'crt-ignore-err all verify required')
      .replace('bundle.pem', 'bundle.pem <--'),
    haproxyFront,
  ),
  caseOf(
    'haproxy',
    'plain-listener',
    haproxyFront.replace(/bind .*/, 'bind :80 <--'),
    haproxyFront.replace(/bind .*/, 'bind 127.0.0.1:80'),
  ),
  caseOf(
    'haproxy',
    'answer-unused',
    haproxyAsks
      .replace('http-request deny unless { var(txn.authz) -m int 200:299 }', 'http-request deny if { ssl_c_used 0 }')
      .replace('lua.thingward', 'lua.thingward <--')
      .replace('optional', 'required crl-file bundle.pem'),
    haproxyAsks,
  ),
  caseOf(
    'haproxy',
    'unverified-server',
    haproxyAsks.replace('verify required ca-file roots.pem', 'verify none <--'),
    haproxyAsks,
  ),
  caseOf(
    'haproxy',
    'key-in-url',
    `${haproxyAsks}\n  http-request set-uri http://127.0.0.1/x?key=twk_x <--`,
    haproxyAsks,
  ),
];

const envoyGood = `
static_resources:
  listeners:
    - address: { socket_address: { address: 0.0.0.0, port_value: 443 } }
      filter_chains:
        - transport_socket:
            name: envoy.transport_sockets.tls
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
              require_client_certificate: true
              common_tls_context:
                validation_context:
                  trusted_ca: { filename: ca.pem }
                  crl: { filename: bundle.pem }
          filters:
            - name: envoy.filters.http.ext_authz
              typed_config:
                failure_mode_allow: false
                status_on_error: { code: ServiceUnavailable }
                http_service:
                  path_prefix: /integrations/envoy`;

const envoy = [
  caseOf('envoy', 'failure-mode-allow', envoyGood.replace('allow: false', 'allow: true <--'), envoyGood),
  caseOf('envoy', 'status-on-error', envoyGood.replace('ServiceUnavailable }', 'OK } <--'), envoyGood),
  caseOf('envoy', 'wrong-question', envoyGood.replace('/integrations/envoy', '/v1/authorize <--'), envoyGood),
  caseOf(
    'envoy',
    'key-in-url',
    envoyGood.replace('/integrations/envoy', '/integrations/envoy?key=twk_x <--'),
    envoyGood,
  ),
  caseOf(
    'envoy',
    'unverified-client',
    envoyGood.replace('crl: {', 'trust_chain_verification: ACCEPT_UNTRUSTED <--\n                  crl: {'),
    envoyGood,
  ),
  caseOf(
    'envoy',
    'expired-allowed',
    envoyGood.replace('crl: {', 'allow_expired_certificate: true <--\n                  crl: {'),
    envoyGood,
  ),
  caseOf(
    'envoy',
    'no-list',
    envoyGood.replace(/\n.*crl:.*/, '').replace('validation_context:', 'validation_context: <--'),
    envoyGood,
  ),
  caseOf(
    'envoy',
    'certificate-optional',
    envoyGood.replace(/\n.*require_client.*/, '').replace('common_tls_context:', 'common_tls_context: <--'),
    envoyGood,
  ),
  caseOf(
    'envoy',
    'plain-listener',
    `static_resources:
  listeners:
    - address: { socket_address: { address: 0.0.0.0, port_value: 80 } }
      filter_chains: <--
        - filters: []`,
    `static_resources:
  listeners:
    - address: { socket_address: { address: 127.0.0.1, port_value: 80 } }
      filter_chains:
        - filters: []`,
  ),
];

const caddyGood = `
https://edge.example.com {
  tls server.pem server.key {
    client_auth {
      mode require_and_verify
      trusted_ca_cert_file ca.pem
    }
  }
  forward_auth https://things.example.com {
    uri /integrations/forward-auth/caddy
    header_up X-Client-Cert {http.request.tls.client.certificate_der_base64}
  }
  reverse_proxy 127.0.0.1:9000
}`;
const caddyAlone = caddyGood.replace(/ {2}forward_auth[^}]*\}\n {2}\}\n/, '');

const caddy = [
  caseOf('caddy', 'no-list', caddyAlone.replace('client_auth {', 'client_auth { <--'), caddyGood),
  caseOf('caddy', 'certificate-optional', caddyAlone.replace('require_and_verify', 'verify_if_given <--'), caddyGood),
  caseOf('caddy', 'unverified-client', caddyGood.replace('require_and_verify', 'require <--'), caddyGood),
  caseOf(
    'caddy',
    'plain-listener',
    caddyGood.replace('https://edge.example.com {', 'http://edge.example.com { <--'),
    caddyGood,
  ),
  caseOf(
    'caddy',
    'wrong-question',
    caddyGood.replace('/integrations/forward-auth/caddy', '/v1/authorize <--'),
    caddyGood,
  ),
  caseOf('caddy', 'key-in-url', caddyGood.replace('auth/caddy', 'auth/caddy?key=twk_x <--'), caddyGood),
  caseOf(
    'caddy',
    'clear-server',
    caddyGood.replace('forward_auth https://things.example.com {', 'forward_auth things.example.com:8080 { <--'),
    caddyGood,
  ),
  caseOf(
    'caddy',
    'unverified-server',
    caddyGood.replace(
      '127.0.0.1:9000',
      '127.0.0.1:9000 {\n    transport http {\n      tls_insecure_skip_verify <--\n    }\n  }',
    ),
    caddyGood,
  ),
];

/** Proxies. */
export const proxyCases = [...nginx, ...haproxy, ...envoy, ...caddy];
