import { cause } from './flow.js';
import { askHook, tellHook } from './hooks.js';
import { hookSessionOf, reportDenied, reportHooked, type Line } from './line.js';
import { MqttFault, reason } from '../mqtt-packets/reason-codes.js';
import { readSubscribe, readUnsubscribe, type Filter, type Filters } from '../mqtt-packets/subscribe.js';
import { isShare, isTopicFilter, sharedFilter } from '../mqtt-packets/topics.js';
import { packetOf, shortOf, suback } from '../mqtt-packets/write.js';

type Asked = Filters & { head: number };

/** Takes SUBSCRIBE and UNSUBSCRIBE: only filters that the client may subscribe to reach the broker. */
export function createSubscribing(line: Line) {
  const { greeting, rights, subscriptions, toBroker, clientFlow, options } = line;
  const { version, clientId } = greeting;
  const { hooks } = options;
  const { subscriptions: subscriptionLimit } = options.settings;
  const { onError } = options.events;

  /** The code that refuses a filter, or undefined. More filters than a session may have are not even judged. */
  const refusalOf = ({ text, qos }: Filter, index: number, more: number): number | undefined => {
    if (index >= subscriptionLimit) return tooMany(text);
    const judged = rights.toSubscribe({ filter: text, qos });
    if (!judged.allowed) {
      reportDenied(line, judged);
      return version === 5 ? reason.notAuthorized : 0x80;
    }
    return subscriptions.isFull(text, more) ? tooMany(text) : undefined;
  };

  const tooMany = (text: string): number => {
    const detail = `subscribe ${text}: more than ${subscriptionLimit} subscriptions, or too long ones`;
    options.events.onDenied({ reason: 'quota', detail, clientId, guest: rights.guest() });
    return version === 5 ? reason.quotaExceeded : 0x80;
  };

  const checkId = (id: number): void => {
    if (subscriptions.isPending(id)) throw new MqttFault(reason.protocolError, `packet identifier ${id} is in use`);
  };

  const hold = (): void => {
    if (subscriptions.isBusy()) clientFlow.hold(cause.pending);
  };

  /** Forwards what is granted of a SUBSCRIBE, and remembers the codes for the client. */
  const grant = (bytes: Buffer, start: number, end: number, { id, head, payload, filters }: Asked): void => {
    const granted: Filter[] = [];
    const codes = filters.map((filter, index) => {
      const code = refusalOf(filter, index, granted.length);
      if (code === undefined) granted.push(filter);
      return code;
    });
    // MQTT 3.1 has no code for no.
    if (version === 3 && granted.length < filters.length)
      throw new MqttFault(reason.notAuthorized, 'subscribe: a filter is denied');
    if (granted.length === 0) return refuseAll(id, codes);
    const texts = granted.map(({ text }) => text);
    if (hooks?.subscribe) tellHook(() => hooks.subscribe!(hookSessionOf(line), texts), onError);
    subscriptions.ask(
      id,
      true,
      granted.map(({ text, qos }) => ({ filter: text, qos })),
      codes,
    );
    hold();
    if (granted.length === filters.length && !filters.some(({ isChanged }) => isChanged))
      return toBroker.pass(bytes, start, end);
    const parts = granted.flatMap((filter) => octetsOf(bytes, filter));
    toBroker.send(packetOf(bytes[start]!, [bytes.subarray(head, payload), ...parts]));
  };

  const refuseAll = (id: number, codes: (number | undefined)[]): void =>
    line.tell(
      suback(
        id,
        codes.map((code) => code ?? 0x80),
        version,
      ),
    );

  /** Asks the hook, and reads nothing meanwhile. What it returns is judged in place of what the client sent. */
  const askFirst = (bytes: Buffer, start: number, end: number, asked: Asked): void => {
    const texts = asked.filters.map(({ text }) => text);
    clientFlow.hold(cause.waiting);
    void askHook(() => hooks!.authSubscribe!(hookSessionOf(line), texts), onError).then((answer) =>
      line.guard(() => {
        if (answer === false) {
          reportHooked(line, `subscribe ${texts.join(' ')}`);
          refuseAll(asked.id, Array<number>(texts.length).fill(version === 5 ? reason.notAuthorized : 0x80));
        } else if (typeof answer === 'object')
          grant(bytes, start, end, { ...asked, filters: changed(asked.filters, answer) });
        else grant(bytes, start, end, asked);
        toBroker.flush();
        clientFlow.release(cause.waiting);
      }),
    );
  };

  return {
    subscribe(bytes: Buffer, start: number, body: number, end: number): void {
      const asked = { ...readSubscribe(bytes, body, end, version), head: body };
      checkId(asked.id);
      if (hooks?.authSubscribe) askFirst(bytes, start, end, asked);
      else grant(bytes, start, end, asked);
    },

    unsubscribe(bytes: Buffer, start: number, body: number, end: number): void {
      const { id, filters } = readUnsubscribe(bytes, body, end, version);
      checkId(id);
      const texts = filters.map(({ text }) => text);
      if (hooks?.unsubscribe) tellHook(() => hooks.unsubscribe!(hookSessionOf(line), texts), onError);
      subscriptions.ask(
        id,
        false,
        filters.map(({ text, qos }) => ({ filter: text, qos })),
        [],
      );
      hold();
      toBroker.pass(bytes, start, end);
    },
  };
}

/** The filters with the texts of a hook. @throws RangeError when it returned another number of them, or one that is none */
function changed(filters: readonly Filter[], texts: readonly string[]): Filter[] {
  if (texts.length !== filters.length) throw new RangeError('a hook returned another number of filters');
  return filters.map((filter, index) => {
    const text = texts[index]!;
    const octets = Buffer.from(text, 'utf8');
    if (!isTopicFilter(octets, 0, octets.length) || (isShare(text) && sharedFilter(text) === undefined))
      throw new RangeError('a hook returned a filter that is none');
    return { ...filter, text, isChanged: text !== filter.text };
  });
}

/** A filter with its options: as it came, or with the text of a hook. */
function octetsOf(bytes: Buffer, { text, isChanged, start, end }: Filter): Buffer[] {
  if (!isChanged) return [bytes.subarray(start, end)];
  const octets = Buffer.from(text, 'utf8');
  return [shortOf(octets.length), octets, bytes.subarray(end - 1, end)];
}
