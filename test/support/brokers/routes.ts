import { expect } from 'vitest';
import type { Permission } from '../../../src/access/permissions.js';
import type { Answer } from '../client.js';

/** The routes of other people's brokers and proxies, and what they ask of their callers. */
export const brokerRoutes: Record<string, Permission | Permission[]> = {
  'GET /integrations/forward-auth/nginx': 'authorize:query',
  'GET /integrations/forward-auth/traefik': 'authorize:query',
  'GET /integrations/forward-auth/caddy': 'authorize:query',
  'GET /integrations/forward-auth/haproxy': 'authorize:query',
  'GET /integrations/envoy/{rest}': 'authorize:query',
  'POST /integrations/emqx/authn': 'authorize:query',
  'POST /integrations/emqx/authz': 'authorize:query',
  'POST /integrations/rabbitmq/user': 'authorize:query',
  'GET /integrations/rabbitmq/user': 'authorize:query',
  'POST /integrations/rabbitmq/vhost': 'authorize:query',
  'GET /integrations/rabbitmq/vhost': 'authorize:query',
  'POST /integrations/rabbitmq/resource': 'authorize:query',
  'GET /integrations/rabbitmq/resource': 'authorize:query',
  'POST /integrations/rabbitmq/topic': 'authorize:query',
  'GET /integrations/rabbitmq/topic': 'authorize:query',
  'GET /integrations/rabbitmq/trust': ['authorize:query', 'revocations:read'],
  'GET /integrations/rabbitmq/trust/{id}.pem': ['authorize:query', 'revocations:read'],
  'POST /integrations/mosquitto/user': 'authorize:query',
  'POST /integrations/mosquitto/superuser': 'authorize:query',
  'POST /integrations/mosquitto/acl': 'authorize:query',
  'POST /integrations/vernemq': 'authorize:query',
  'POST /integrations/mgate': 'authorize:query',
  'POST /integrations/hivemq': 'authorize:query',
  'POST /integrations/nats': 'authorize:query',
};

/** A refusal is in the words of the broker; whoever is admitted may still be denied, but not by a failure. */
export function expectInWords({ status, text }: Answer, isAdmitted: boolean, what: string): void {
  const isNo = [403, 404].includes(status) || (status === 200 && /deny|not_allowed|"certificates":\[\]/.test(text));
  if (isAdmitted) expect(status, what).toBeLessThan(500);
  else expect(isNo, `${what}: ${status}`).toBe(true);
}
