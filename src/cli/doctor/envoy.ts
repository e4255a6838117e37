import { isMap, isScalar, isSeq, LineCounter, parseDocument, type Node, type YAMLMap } from 'yaml';
import { type Finding, harms, inOrder, type Rules } from './finding.js';
import { isLocal } from './reach.js';

/** A value with the maps around it, the nearest last. */
type Found = { key: string; value: Node; at: number; around: YAMLMap[] };

/** envoy.yaml: listeners, TLS contexts and the filter ext_authz, wherever they are. @throws Error where it is no YAML */
export const envoy: Rules = (text) => {
  const counter = new LineCounter();
  const document = parseDocument(text, { lineCounter: counter, maxAliasCount: 100 } as object);
  if (document.errors[0]) throw new Error(document.errors[0].message.split('\n')[0]);
  const all = [...walk(document.contents, [])];
  const findings = all.flatMap((found) =>
    (rules[found.key] ?? []).flatMap((rule) => {
      const finding = rule(found);
      return finding ? [{ ...finding, line: counter.linePos(found.at).line }] : [];
    }),
  );
  return inOrder(findings);
};

type Rule = (found: Found) => Omit<Finding, 'line'> | undefined;

const isTrue = ({ value }: Found): boolean => isScalar(value) && value.value === true;
const textOf = (node: unknown): string => (isScalar(node) ? String(node.value) : '');
const has = (map: YAMLMap | undefined, key: string): boolean => map?.has(key) ?? false;
const lastOf = (around: readonly YAMLMap[]): YAMLMap | undefined => around.at(-1);

const unlessRequired: Rule = ({ around, value }) => {
  const context = lastOf(around);
  // Of a context for connections from clients.
  if (!isMap(value) || !has(value.get('validation_context') as YAMLMap | undefined, 'trusted_ca')) return undefined;
  const required = around.findLast((map) => has(map, 'require_client_certificate'));
  if (required && textOf(required.get('require_client_certificate', true)) === 'true') return undefined;
  if (!around.some((map) => textOf(map.get('@type', true)).endsWith('DownstreamTlsContext')) || !context)
    return undefined;
  return {
    rule: 'envoy/certificate-optional',
    harm: harms.certificateOptional,
    write: 'require_client_certificate: true',
  };
};

const validation: Rule = ({ value, around }) => {
  if (!isMap(value) || !has(value, 'trusted_ca') || has(value, 'crl')) return undefined;
  if (!around.some((map) => textOf(map.get('@type', true)).endsWith('DownstreamTlsContext'))) return undefined;
  return {
    rule: 'envoy/no-list',
    harm: 'no list of revoked certificates is read: TLS lets a revoked device in until its certificate ends',
    write: 'crl: { filename: /etc/envoy/bundle.pem }',
  };
};

const rules: Record<string, Rule[] | undefined> = {
  failure_mode_allow: [
    (found) =>
      isTrue(found)
        ? {
            rule: 'envoy/failure-mode-allow',
            harm: 'while Thingward is away, or answers with an error, everybody is let in',
            write: 'failure_mode_allow: false',
          }
        : undefined,
  ],
  code: [
    ({ value, around }) =>
      around.some((map) => has(map, 'http_service')) && /^(200|ok)$/i.test(textOf(value))
        ? {
            rule: 'envoy/status-on-error',
            harm: 'while Thingward is away, clients are told that all is well',
            write: 'status_on_error: { code: ServiceUnavailable }',
          }
        : undefined,
  ],
  path_prefix: [
    ({ value }) =>
      /\/v1\/authorize/.test(textOf(value))
        ? {
            rule: 'envoy/wrong-question',
            harm: '/v1/authorize answers 200 with "deny" in it, which is a yes to ext_authz: everybody is let in',
            write: 'path_prefix: /integrations/envoy',
          }
        : undefined,
    ({ value }) =>
      /[?&]key=|twk_/.test(textOf(value))
        ? {
            rule: 'envoy/key-in-url',
            harm: harms.keyInUrl,
            write: 'authorization_request: { headers_to_add: [{ key: authorization, value: "Bearer twk_..." }] }',
          }
        : undefined,
  ],
  trust_chain_verification: [
    ({ value }) =>
      textOf(value) === 'ACCEPT_UNTRUSTED'
        ? {
            rule: 'envoy/unverified-client',
            harm: harms.unverifiedClient,
            write: 'trust_chain_verification: VERIFY_TRUST_CHAIN',
          }
        : undefined,
  ],
  allow_expired_certificate: [
    (found) =>
      isTrue(found)
        ? {
            rule: 'envoy/expired-allowed',
            harm: 'certificates that have ended are let in, and lists no longer name those',
            write: 'allow_expired_certificate: false',
          }
        : undefined,
  ],
  validation_context: [validation],
  common_tls_context: [unlessRequired],
  filter_chains: [
    ({ value, around }) => {
      const listener = lastOf(around);
      const host = textOf(listener?.getIn(['address', 'socket_address', 'address'], true));
      const isPlain = isSeq(value) && value.items.some((chain) => isMap(chain) && !has(chain, 'transport_socket'));
      if (!isPlain || host === '' || isLocal(host)) return undefined;
      return {
        rule: 'envoy/plain-listener',
        harm: harms.plainListener,
        write: 'transport_socket: { name: envoy.transport_sockets.tls, ... } in each filter chain',
      };
    },
  ],
};

function* walk(node: unknown, around: YAMLMap[]): Generator<Found> {
  if (isSeq(node)) for (const item of node.items) yield* walk(item, around);
  if (!isMap(node)) return;
  const inside = [...around, node];
  for (const { key, value } of node.items) {
    if (!isScalar(key)) continue;
    yield { key: String(key.value), value: value as Node, at: key.range?.[0] ?? 0, around: inside };
    yield* walk(value, inside);
  }
}
