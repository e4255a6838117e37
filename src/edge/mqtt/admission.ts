import type { Connect } from '../mqtt-packets/connect.js';
import { askHook } from './hooks.js';
import type { Denial, MqttOptions } from './options.js';
import { MqttFault, reason } from '../mqtt-packets/reason-codes.js';
import { codeOfConnack, createRights, type Decided, type Rights } from './rights.js';
import { thingwardMethod } from '../mqtt-packets/write.js';

/**
 * Decides whether a device comes in: who it is, its right to connect by its client id, and its will.
 * @throws MqttFault with the code of the CONNACK that refuses it; it was reported as denied
 */
export async function admit(connect: Connect, options: MqttOptions): Promise<Rights> {
  const { clientId, method, methodData, password, will } = connect;
  const { gate, facts, events, hooks } = options;
  const refuse = (code: number, denial: Omit<Denial, 'clientId'>): MqttFault => {
    events.onDenied({ ...denial, clientId });
    return new MqttFault(code, denial.detail === '' ? denial.reason : `${denial.reason}: ${denial.detail}`);
  };
  if (method !== undefined && method !== thingwardMethod)
    throw new MqttFault(reason.badMethod, `the authentication method must be ${thingwardMethod}`);
  if (clientId === '') throw new MqttFault(reason.clientIdInvalid, 'the client id is empty');

  const token = method === undefined ? password : (methodData ?? password);
  const { fingerprint, withoutCertificates } = facts;
  const found = await gate.identify({ token: token === '' ? undefined : token, fingerprint, withoutCertificates });
  if ('barred' in found)
    throw refuse(codeOfConnack(found.barred), { reason: found.barred, detail: found.detail, guest: undefined });

  const rights = createRights(gate, found, facts, clientId, events);
  const require = ({ allowed, ask, verdict }: Decided): void => {
    if (allowed) return;
    const detail = `${ask.action} ${ask.resource}`;
    throw refuse(codeOfConnack(verdict.refusal), {
      reason: verdict.refusal ?? 'statement',
      detail,
      guest: found,
      ask,
      verdict,
    });
  };
  require(rights.toConnect());
  if (will) require(rights.ofWill(will));
  const session = { guest: found, clientId, protocol: facts.protocol, sourceIp: facts.sourceIp };
  if ((await askHook(() => hooks?.authConnect?.(session), events.onError)) === false)
    throw refuse(reason.notAuthorized, { reason: 'hook', detail: 'connect', guest: found });
  return rights;
}
