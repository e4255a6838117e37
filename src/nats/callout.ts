import { Algorithms, decode, encodeAuthorizationResponse, encodeUser, type User } from '@nats-io/jwt';
import { fromPublic, type KeyPair } from '@nats-io/nkeys';
import { z } from 'zod';
import type { Decided, Login } from './question.js';

const text = z.string().max(65_536);
const claims = z.object({
  iss: z.string(),
  aud: z.literal('nats-authorization-request'),
  nats: z.object({
    type: z.literal('authorization_request'),
    server_id: z.object({ id: z.string() }),
    user_nkey: z.string(),
    client_info: z.object({ host: text.optional(), type: text, mqtt_id: text.optional() }),
    connect_opts: z.object({ user: text.optional(), pass: text.optional() }),
    client_tls: z
      .object({ certs: z.array(text).optional(), verified_chains: z.array(z.array(text)).optional() })
      .optional(),
  }),
});
type Asked = z.output<typeof claims>['nats'];

type Deps = {
  /** @throws Error when nothing was decided */
  ask(login: Login): Promise<Decided>;
  /** Signs what NATS believes. */
  issuer: KeyPair;
  /** The account of NATS that devices are put into. */
  account: string;
  /** Told why nothing was decided. */
  onFailure(error: unknown): void;
};

const mostAtOnce = 1000;

/**
 * Answers the questions of NATS about logins (its auth callout, version 2): a user with the rights of its thing, or an error. Only MQTT
 * clients are let in. Every failure is a no.
 */
export function createCallout({ ask, issuer, account, onFailure }: Deps) {
  let running = 0;

  const userOf = async (asked: Asked): Promise<string | undefined> => {
    if (asked.client_info.type !== 'mqtt' || running > mostAtOnce) return undefined;
    const decided = await ask(loginOf(asked));
    if (decided.decision !== 'allow') return undefined;
    const { thing, expiresAt, publish, subscribe } = decided;
    const rights: Partial<User> = {
      pub: withNothing(publish),
      sub: withNothing(subscribe),
      allowed_connection_types: ['MQTT', 'MQTT_WS'],
    };
    return encodeUser(thing, fromPublic(asked.user_nkey), issuer, rights, {
      algorithm: Algorithms.v2,
      aud: account,
      exp: expiresAt,
    });
  };

  /** The answer to a question; undefined for what is none. */
  return async (request: string): Promise<string | undefined> => {
    const asked = askedIn(request);
    if (!asked) return undefined;
    running++;
    let jwt: string | undefined;
    try {
      jwt = await userOf(asked);
    } catch (error) {
      onFailure(error);
    } finally {
      running--;
    }
    const server = fromPublic(asked.server_id.id);
    const said = jwt === undefined ? { error: 'denied by Thingward' } : { jwt };
    const options = { algorithm: Algorithms.v2, aud: asked.server_id.id };
    return encodeAuthorizationResponse(fromPublic(asked.user_nkey), server, issuer, said, options);
  };
}

/** HAZARD: an empty list of allowed subjects allows everything in NATS. `>` as a deny is nothing at all. */
function withNothing({ allow, deny }: { allow: string[]; deny: string[] }): { allow: string[]; deny: string[] } {
  return allow.length === 0 ? { allow: [], deny: ['>'] } : { allow, deny };
}

/** What a server asks, signed by that server. */
function askedIn(request: string): Asked | undefined {
  try {
    const { iss, nats } = claims.parse(decode(request));
    return iss === nats.server_id.id ? nats : undefined;
  } catch {
    return undefined;
  }
}

function loginOf({ client_info: client, connect_opts: options, client_tls: tls }: Asked): Login {
  const certificate = tls?.verified_chains?.[0]?.[0] ?? tls?.certs?.[0];
  return {
    clientId: client.mqtt_id ?? '',
    username: options.user ?? '',
    ...(options.pass ? { password: options.pass } : {}),
    ...(certificate ? { certificatePem: certificate } : {}),
    context: { ...(client.host ? { sourceIp: client.host } : {}), protocol: tls ? 'mqtts' : 'mqtt' },
  };
}
