import type { Barred, Guest } from '../gate.js';
import type { Auth } from '../mqtt-packets/acknowledgements.js';
import { cause } from './flow.js';
import type { Line } from './line.js';
import { MqttFault, reason } from '../mqtt-packets/reason-codes.js';
import { authenticated } from '../mqtt-packets/write.js';

/**
 * Takes an AUTH (MQTT 5.0 §4.12.1): a newer token of the same thing, bound to the same certificate, takes the place of
 * the one before. Nothing is read meanwhile. Everything else ends the session.
 */
export function reauthenticate(line: Line, { code, method, data }: Auth): void {
  const { greeting, clientFlow, options } = line;
  if (greeting.method === undefined) throw new MqttFault(reason.protocolError, 'AUTH, but CONNECT named no method');
  if (method !== greeting.method || code !== 0x19)
    throw new MqttFault(reason.protocolError, 'AUTH must be a re-authentication by the method of CONNECT');
  const { fingerprint, withoutCertificates } = options.facts;
  clientFlow.hold(cause.waiting);
  const become = (found: Guest | Barred): void => line.guard(() => accept(line, found));
  const fail = (error: unknown): void =>
    line.guard(() => {
      throw error;
    });
  Promise.resolve(options.gate.identify({ token: data, fingerprint, withoutCertificates })).then(become, fail);
}

function accept(line: Line, found: Guest | Barred): void {
  const { rights, clientFlow } = line;
  const known = rights.guest();
  if ('barred' in found) throw new MqttFault(reason.notAuthorized, found.barred);
  if (found.thingId !== known.thingId || found.fingerprint !== known.fingerprint)
    throw new MqttFault(reason.notAuthorized, 'the token belongs to another thing or certificate');
  rights.become(found);
  line.review();
  line.tell(authenticated());
  clientFlow.release(cause.waiting);
}
