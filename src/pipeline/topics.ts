import { isTopicFilter } from '../policy/topic-filter.js';
import { createPrincipal, fill, parseTemplate, type Principal, type Template } from '../policy/variables.js';

/** A level of a topic filter: text, or a text with variables. */
export type TopicLevel = string | Template;

/** Reads a topic filter with variables. @throws RangeError that says what is wrong */
export function parseTopic(text: string): TopicLevel[] {
  const levels = text.split('/').map((level): TopicLevel => parseTemplate(level) ?? level);
  const plain = levels.map((level) => (typeof level === 'string' ? level : 'x')).join('/');
  if (text === '' || !isTopicFilter(plain)) throw new RangeError('is not a topic filter');
  if (text.startsWith('$')) {
    const [first] = levels;
    if (typeof first === 'string') throw new RangeError('begins with $: such topics are not of devices');
  }
  if (levels.some((level) => typeof level !== 'string' && !level.whole))
    throw new RangeError('has a variable beside other text: a variable fills one level');
  return levels;
}

/** Where what a pipeline makes of the messages of a thing is published. Below `telemetry`, where the built-in policies let it publish. */
export const recordsTopic = (account: string, thing: string, pipeline: string): string =>
  `${account}/${thing}/telemetry/pipelines/${pipeline}`;

/** Where messages of a thing are published that a pipeline cannot read. */
export const deadLetterTopic = (account: string, thing: string, pipeline: string): string =>
  `${account}/${thing}/telemetry/dead-letters/${pipeline}`;

/** A thing as far as topics and types look at it. */
export type TopicThing = {
  name: string;
  type?: string | undefined;
  attributes?: Readonly<Record<string, string>> | undefined;
};

/** Who a message is from, for the variables of filters. */
export const principalOf = (account: string, { name, type, attributes = {} }: TopicThing): Principal =>
  createPrincipal({ account, thing: { name, type, attributes } });

/** True when a topic lies in a filter. A wildcard at the start does not reach `$SYS` and its like. */
export function inTopic(filter: readonly TopicLevel[], topic: readonly string[], principal: Principal): boolean {
  const [first] = filter;
  if (topic[0]!.startsWith('$') && (first === '+' || first === '#')) return false;
  for (let index = 0; index < filter.length; index++) {
    const level = filter[index]!;
    if (level === '#') return true;
    if (index >= topic.length) return false;
    if (level === '+') continue;
    const wanted = typeof level === 'string' ? level : fill(level, principal);
    if (wanted !== topic[index]) return false;
  }
  return filter.length === topic.length;
}
