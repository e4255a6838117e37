import { MqttFault, reason } from './reason-codes.js';

/** The topic aliases that a client has set (MQTT 5.0 §3.3.2.3.4): at most as many topics as it was told. */
export function createAliases(most: number) {
  const topics = new Map<number, Buffer>();

  const check = (alias: number): void => {
    if (alias > most) throw new MqttFault(reason.aliasInvalid, `topic alias ${alias} is above ${most}`);
  };

  return {
    /** Sets an alias. @throws MqttFault `aliasInvalid` above the maximum */
    set(alias: number, bytes: Buffer, start: number, end: number): Buffer {
      check(alias);
      const topic = Buffer.from(bytes.subarray(start, end));
      topics.set(alias, topic);
      return topic;
    },

    /** The topic of an alias. @throws MqttFault `aliasInvalid` above the maximum, `protocolError` when none was set */
    get(alias: number): Buffer {
      check(alias);
      const topic = topics.get(alias);
      if (!topic) throw new MqttFault(reason.protocolError, `topic alias ${alias} was not set`);
      return topic;
    },
  };
}
