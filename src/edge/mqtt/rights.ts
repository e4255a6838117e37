import type { Refusal, Verdict } from '../../authorize/judge.js';
import type { Context } from '../../policy/condition.js';
import type { Ask, Barred, Gate, Guest } from '../gate.js';
import type { Will } from '../mqtt-packets/connect.js';
import type { EndReason, MqttEvents, Origin, Subscription } from './options.js';
import { MqttFault, reason } from '../mqtt-packets/reason-codes.js';
import { createTopicMemory, type Judged } from './topic-memory.js';
import { isShare, sharedFilter } from '../mqtt-packets/topics.js';

/** A decision with what was asked. */
export type Decided = Judged & { ask: Ask; verdict: Verdict };

export type Rights = ReturnType<typeof createRights>;

/**
 * What one session may do now. Topics are remembered for as long as each decision is valid, or until `forget`. Everything
 * else is asked of the gate each time.
 */
export function createRights(
  gate: Gate,
  first: Guest,
  origin: Origin,
  clientId: string,
  events: Pick<MqttEvents, 'onDecided'>,
) {
  let guest = first;
  const base: Context = { sourceIp: origin.sourceIp, protocol: origin.protocol, clientId };
  // By QoS and RETAIN, as they stand in the first octet of a PUBLISH.
  const contexts = Array.from({ length: 6 }, (_, flags) => ({ ...base, qos: flags >> 1, retain: (flags & 1) === 1 }));
  const byQos = [0, 1, 2].map((qos) => ({ ...base, qos }));
  const connecting: Ask = { action: 'connect', resource: `client:${clientId}`, context: base };

  let limits: string | undefined;

  const judge = (ask: Ask): Decided => decidedOf(ask, gate.judge(guest, ask));

  const tell = (decided: Decided): Decided => {
    events.onDecided?.(decided.ask, decided.verdict);
    return decided;
  };

  const decide = (ask: Ask): Decided => tell(judge(ask));

  const publications = createTopicMemory((topic, flags) => {
    // MQTT-4.8.2: a shared subscription is no topic to publish to.
    if (isShare(topic)) throw new MqttFault(reason.topicInvalid, 'a topic begins with $share');
    return decide({ action: 'publish', resource: `topic:${topic}`, context: contexts[flags] });
  });
  const deliveries = createTopicMemory((topic, flags) =>
    decide({ action: 'receive', resource: `topic:${topic}`, context: contexts[flags] }),
  );
  const responses = createTopicMemory((topic) =>
    decide({ action: 'subscribe', resource: `topic:${topic}`, context: byQos[0] }),
  );

  /** Both must hold for a shared subscription: a delivery that the edge drops would be lost for its group. */
  const ofSubscription = ({ filter, qos }: Subscription, by = decide): Decided => {
    const subscribing = by({ action: 'subscribe', resource: `topic:${filter}`, context: byQos[qos] });
    if (!subscribing.allowed || !isShare(filter)) return subscribing;
    const shared = `topic:${sharedFilter(filter) ?? ''}`;
    const receiving = by({ action: 'receive', resource: shared, context: byQos[qos], whole: true });
    return { ...receiving, validUntil: Math.min(subscribing.validUntil, receiving.validUntil) };
  };

  const ofWill = ({ topic, qos, retain, responseTopic }: Will, by = decide): Decided => {
    const publishing = by({ action: 'publish', resource: `topic:${topic}`, context: { ...base, qos, retain } });
    if (!publishing.allowed || responseTopic === undefined) return publishing;
    const response = by({ action: 'subscribe', resource: `topic:${responseTopic}`, context: byQos[0] });
    return { ...response, validUntil: Math.min(publishing.validUntil, response.validUntil) };
  };

  const toConnect = (by = decide): Decided => {
    const decided = by(connecting);
    limits = decided.verdict.limits;
    return decided;
  };

  const forget = (): void => {
    for (const memory of [publications, deliveries, responses]) memory.clear();
  };

  return {
    guest: () => guest,
    publications,
    deliveries,
    responses,
    forget,
    toConnect: () => toConnect(),
    toSubscribe: (subscription: Subscription) => ofSubscription(subscription),
    ofWill: (will: Will) => ofWill(will),
    /** The traffic policy of the segment, JSON, as the last decision on the connect had it. */
    limits: () => limits,

    /** The same thing showed a newer token. */
    become(next: Guest): void {
      guest = next;
      forget();
    },

    /**
     * Judges the session itself again: who it is, its right to connect, its will, and its subscriptions. Returns why it ends, or
     * until when (milliseconds since 1970, the gate's clock) it may stay if nothing changes. The device did nothing: only the
     * decision that ends the session is reported.
     */
    review(will: Will | undefined, subscriptions: Iterable<Subscription>): EndReason | number {
      const reviewed = gate.review(guest);
      if (typeof reviewed !== 'function') return reasonOfBarred(reviewed);
      const judge = (ask: Ask): Decided => decidedOf(ask, reviewed(ask));
      const present = toConnect(judge);
      if (!present.allowed) return reasonOfVerdict(tell(present));
      let until = Math.min(present.validUntil, guest.expiresAt);
      const speaking = will && ofWill(will, judge);
      if (speaking?.allowed === false) return reasonOfVerdict(tell(speaking));
      until = Math.min(until, speaking?.validUntil ?? Infinity);
      for (const subscription of subscriptions) {
        const subscribing = ofSubscription(subscription, judge);
        if (!subscribing.allowed) return reasonOfVerdict(tell(subscribing));
        until = Math.min(until, subscribing.validUntil);
      }
      return until;
    },
  };
}

const decidedOf = (ask: Ask, verdict: Verdict): Decided => ({
  allowed: verdict.allowed,
  validUntil: verdict.validUntil,
  ask,
  verdict,
});

const expired: ReadonlySet<string> = new Set(['token-expired', 'certificate-expired']);
const ofRights: ReadonlySet<string> = new Set([
  'no-matching-statement',
  'outside-time-window',
  'outside-segment',
  'malformed-resource',
  'binding-mismatch',
]);

/** Why a session ends whose right to something is gone. */
export function reasonOfVerdict({ ask, verdict: { refusal, statement } }: Decided): EndReason {
  if (refusal !== undefined && !ofRights.has(refusal)) return { code: codeOfRefusal(refusal), text: refusal };
  const why = refusal ?? `statement ${statement?.id ?? ''}`;
  return { code: reason.notAuthorized, text: `${ask.action}: ${why}` };
}

/** Why a session ends whose holder may not be here. */
export const reasonOfBarred = ({ barred, detail }: Barred): EndReason => ({
  code: barred === 'away' ? reason.busy : barred === 'refused' ? reason.administrative : codeOfRefusal(barred),
  text: detail === '' ? barred : `${barred}: ${detail}`,
});

function codeOfRefusal(refusal: Refusal): number {
  if (expired.has(refusal)) return reason.connectTime;
  return refusal === 'cannot-decide' ? reason.busy : reason.administrative;
}

/** The code of a CONNACK for somebody who is not let in. */
export function codeOfConnack(refused: Refusal | 'away' | 'refused' | undefined): number {
  const isAway = refused === 'away' || refused === 'refused' || refused === 'cannot-decide';
  return isAway ? reason.unavailable : reason.notAuthorized;
}
