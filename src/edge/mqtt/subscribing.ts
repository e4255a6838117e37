import { cause } from './flow.js';
import { reportDenied, type Line } from './line.js';
import { MqttFault, reason } from '../mqtt-packets/reason-codes.js';
import { readSubscribe, readUnsubscribe, type Filter } from '../mqtt-packets/subscribe.js';
import { packetOf, suback } from '../mqtt-packets/write.js';

/** Takes SUBSCRIBE and UNSUBSCRIBE: only filters that the client may subscribe to reach the broker. */
export function createSubscribing(line: Line) {
  const { greeting, rights, subscriptions, toBroker, clientFlow, options } = line;
  const { version, clientId } = greeting;

  /** The code that refuses a filter, or undefined. */
  const refusalOf = ({ text, qos }: Filter, more: number): number | undefined => {
    const judged = rights.toSubscribe({ filter: text, qos });
    if (!judged.allowed) {
      reportDenied(line, judged);
      return version === 5 ? reason.notAuthorized : 0x80;
    }
    if (!subscriptions.isFull(text, more)) return undefined;
    const detail = `subscribe ${text}: no more than ${options.settings.subscriptions} subscriptions`;
    options.events.onDenied({ reason: 'quota', detail, clientId, guest: rights.guest() });
    return version === 5 ? reason.quotaExceeded : 0x80;
  };

  const checkId = (id: number): void => {
    if (subscriptions.isPending(id)) throw new MqttFault(reason.protocolError, `packet identifier ${id} is in use`);
  };

  const hold = (): void => {
    if (subscriptions.isBusy()) clientFlow.hold(cause.pending);
  };

  return {
    subscribe(bytes: Buffer, start: number, body: number, end: number): void {
      const { id, payload, filters } = readSubscribe(bytes, body, end, version);
      checkId(id);
      const granted: Filter[] = [];
      const codes = filters.map((filter) => {
        const code = refusalOf(filter, granted.length);
        if (code === undefined) granted.push(filter);
        return code;
      });
      // MQTT 3.1 has no code for no.
      if (version === 3 && granted.length < filters.length)
        throw new MqttFault(reason.notAuthorized, 'subscribe: a filter is denied');
      if (granted.length === 0)
        return line.tell(
          suback(
            id,
            codes.map((code) => code ?? 0x80),
            version,
          ),
        );
      const asked = granted.map(({ text, qos }) => ({ filter: text, qos }));
      subscriptions.ask(id, true, asked, codes);
      hold();
      if (granted.length === filters.length) return toBroker.pass(bytes, start, end);
      const parts = granted.map((filter) => bytes.subarray(filter.start, filter.end));
      toBroker.send(packetOf(bytes[start]!, [bytes.subarray(body, payload), ...parts]));
    },

    unsubscribe(bytes: Buffer, start: number, body: number, end: number): void {
      const { id, filters } = readUnsubscribe(bytes, body, end, version);
      checkId(id);
      const asked = filters.map(({ text, qos }) => ({ filter: text, qos }));
      subscriptions.ask(id, false, asked, []);
      hold();
      toBroker.pass(bytes, start, end);
    },
  };
}
