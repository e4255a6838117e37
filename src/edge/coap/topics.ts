import type { Timers } from '../proxy/sessions.js';
import type { Value } from './answers.js';
import type { MqttClient } from './mqtt-client.js';
import type { Delivery, Ended } from './mqtt-reads.js';
import type { Observation } from './observations.js';

type Topic = { observers: Set<Observation>; readers: Set<(value: Value) => void>; holds: number; qos: 0 | 1 };

/** A value, none, or why it may not be read. */
export type Read = { value: Value | undefined } | { refused: Ended };

// Brokers send what they retain with their answer to a subscription, or soon after it.
const readMs = 400;

type Deps = { client: Pick<MqttClient, 'subscribe' | 'unsubscribe' | 'acknowledge'>; timers: Timers };

export type Topics = ReturnType<typeof createTopics>;

/** The topics that one session reads and observes: each is one subscription. */
export function createTopics({ client, timers }: Deps) {
  const topics = new Map<string, Topic>();

  const hold = (name: string): Topic => {
    const known = topics.get(name);
    const topic: Topic = known ?? { observers: new Set(), readers: new Set(), holds: 0, qos: 0 };
    topics.set(name, topic);
    topic.holds++;
    return topic;
  };

  const release = (name: string, topic: Topic): void => {
    topic.holds--;
    if (topic.holds > 0) return;
    topics.delete(name);
    void client.unsubscribe(name);
  };

  /** The next value of a topic, which is what is retained there. */
  const nextOf = (topic: Topic): { value: Promise<Value | undefined>; wait(): void } => {
    let timer: unknown;
    let settle = (_value?: Value): void => {};
    const value = new Promise<Value | undefined>((resolve) => {
      settle = (found) => {
        timers.clear(timer);
        topic.readers.delete(settle);
        resolve(found);
      };
      topic.readers.add(settle);
    });
    return { value, wait: () => void (timer = timers.set(settle, readMs)) };
  };

  /** Subscribes, and waits for what is retained. */
  const read = async (name: string, topic: Topic, qos: 0 | 1): Promise<Read> => {
    topic.qos = qos > topic.qos ? qos : topic.qos;
    const next = nextOf(topic);
    const refused = await client.subscribe(name, topic.qos);
    next.wait();
    return refused ? { refused } : { value: await next.value };
  };

  return {
    /** The last value of a topic. */
    async read(name: string): Promise<Read> {
      const topic = hold(name);
      const found = await read(name, topic, 0);
      release(name, topic);
      return found;
    },

    /** Adds an observation. When it may not be, nothing was added. */
    async observe(observation: Observation, qos: 0 | 1): Promise<Read> {
      const { topic: name } = observation;
      const topic = hold(name);
      topic.observers.add(observation);
      const found = await read(name, topic, qos);
      if ('refused' in found && topic.observers.delete(observation)) release(name, topic);
      return found;
    },

    /** Removes an observation. */
    leave(observation: Observation): void {
      const topic = topics.get(observation.topic);
      if (topic?.observers.delete(observation)) release(observation.topic, topic);
    },

    /** A message came from the broker. */
    delivered({ id, topic: name, payload, mediaType, isRetained }: Delivery): void {
      const topic = topics.get(name);
      const value = { payload, mediaType };
      // What is retained is for whoever just asked; if it comes so late that nobody waits, it is news.
      const isAnswer = isRetained && topic !== undefined && topic.readers.size > 0;
      const observers = isAnswer ? [] : [...(topic?.observers ?? [])];
      let left = observers.length;
      const settle = (): void => {
        left--;
        if (left <= 0 && id > 0) client.acknowledge(id);
      };
      for (const reader of [...(topic?.readers ?? [])]) reader(value);
      for (const observer of observers) observer.push(value, id > 0, settle);
      if (observers.length === 0) settle();
    },
  };
}
