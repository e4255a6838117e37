import { answerCode } from '../coap-messages/codes.js';
import { blockOption } from '../coap-messages/blocks.js';
import { mediaTypeOf } from '../coap-messages/formats.js';
import { optionNumber } from '../coap-messages/options.js';
import { topicOf, type Request } from '../coap-messages/requests.js';
import type { Timers } from '../proxy/sessions.js';
import { contentOf, emptyAnswer, refusalOfEnded, refusalWith, type Answer } from './answers.js';
import { createMqttClient, type MqttClient, type MqttClientOptions } from './mqtt-client.js';
import { createObservation, type Channel, type Observation } from './observations.js';
import type { Ended } from './mqtt-reads.js';
import { createTopics } from './topics.js';
import { createUploads } from './uploads.js';

/** What a session of CoAP needs. */
export type SessionOptions = Pick<MqttClientOptions, 'clientId' | 'token' | 'gone' | 'whenWritable'> & {
  timers: Timers;
  /** Milliseconds, which never go back. */
  monotonic(): number;
  /** It is over: its observations were told why. */
  ended(how: Ended): void;
};

/** One device over CoAP, which is a client of the broker. */
export type CoapSession = ReturnType<typeof createCoapSession>;

const mostObservations = 32;
const mostOpen = 16;
const firstNumber = 1;

/** Opens a session. Its `stream` has to be served as MQTT. */
export function createCoapSession(options: SessionOptions) {
  const { timers, monotonic } = options;
  const observations = new Map<string, Observation>();
  const uploads = createUploads(monotonic);
  let open = 0;
  let token = options.token;
  let renewing: Promise<unknown> = Promise.resolve();

  const client: MqttClient = createMqttClient({
    ...options,
    delivered: (delivery) => topics.delivered(delivery),
    ended(how) {
      const why = refusalOfEnded(how);
      for (const observation of observations.values()) observation.end(why);
      observations.clear();
      options.ended(how);
    },
  });
  const topics = createTopics({ client, timers });

  const stop = (key: string, why?: Answer): void => {
    const observation = observations.get(key);
    if (!observation) return;
    observations.delete(key);
    observation.end(why);
    topics.leave(observation);
  };

  const observe = async (topic: string, request: Request, channel: Channel, qos: 0 | 1): Promise<Answer> => {
    // The same token again is a fresh start of the same observation.
    const after = observations.get(channel.key)?.sequence() ?? firstNumber;
    stop(channel.key);
    if (observations.size >= mostObservations)
      return refusalWith(answerCode.tooManyRequests, `at most ${mostObservations} observations`);
    const { key } = channel;
    const observation: Observation = createObservation({
      topic,
      channel,
      accept: request.accept,
      after,
      ended: () => observations.get(key) === observation && stop(key),
    });
    observations.set(key, observation);
    const found = await topics.observe(observation, qos);
    const answer = 'refused' in found ? refusalOfEnded(found.refused) : observation.begin(found.value);
    if (answer.code !== answerCode.content && observations.get(key) === observation) stop(key);
    return answer;
  };

  const read = async (topic: string, request: Request, channel: Channel): Promise<Answer> => {
    // The blocks of a notification are those of the value that it told.
    const told =
      (request.block2?.number ?? 0) > 0
        ? [...observations.values()].find((observation) => observation.topic === topic)?.last()
        : undefined;
    const found = told ? { value: told } : await topics.read(topic);
    if ('refused' in found) return refusalOfEnded(found.refused);
    if (!found.value) return refusalWith(answerCode.notFound, 'nothing is retained there');
    return contentOf(found.value, request, channel.room());
  };

  const publish = async (topic: string, request: Request): Promise<Answer> => {
    const { method, block1, payload: part, contentFormat } = request;
    const payload = block1 ? uploads.take(`${method} ${topic}`, block1, part) : part;
    if (!Buffer.isBuffer(payload)) return payload;
    const mediaType = mediaTypeOf(contentFormat);
    const refused = await client.publish({ topic, payload, retain: method === 'put', mediaType });
    if (refused) return refusalOfEnded(refused);
    return emptyAnswer(answerCode.changed, block1 ? [blockOption(optionNumber.block1, block1)] : []);
  };

  const perform = (topic: string, request: Request, channel: Channel, qos: 0 | 1): Promise<Answer> => {
    if (request.method !== 'get') return publish(topic, request);
    if (request.observe === 0 && (request.block2?.number ?? 0) === 0) return observe(topic, request, channel, qos);
    if (request.observe === 1) stop(channel.key);
    return read(topic, request, channel);
  };

  return {
    stream: client.stream,
    clientId: options.clientId,

    /** Answers a request. Never rejects. With `qos` 1, an observation also gets in their order what was published with QoS 1. */
    async answer(request: Request, channel: Channel, qos: 0 | 1): Promise<Answer> {
      const topic = topicOf(request.path);
      if (typeof topic !== 'string') return refusalWith(topic.code, topic.text);
      if (open >= mostOpen) return refusalWith(answerCode.tooManyRequests, `at most ${mostOpen} requests at once`);
      open++;
      try {
        await renewing;
        return await perform(topic, request, channel, qos);
      } finally {
        open--;
      }
    },

    /** The access token that was shown last. */
    token: () => token,

    /** Shows a newer token. What comes later is answered by it. */
    renew(newer: string): void {
      token = newer;
      renewing = client.reauthenticate(newer);
    },

    /** Ends an observation that the device wants no more. */
    stop: (key: string) => stop(key),

    /** Ends all of them: the device is silent. */
    stopAll: () => [...observations.keys()].forEach((key) => stop(key)),

    observations: () => observations.size,
    over: client.over,

    /** The device left. */
    close: (text: string) => client.close({ code: 0, text }),
  };
}
