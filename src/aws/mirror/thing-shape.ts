import { hash } from 'node:crypto';
import type { AwsThing } from '../client/iot-registry.js';

/** The attribute by which a thing in AWS is known to be Thingward's: `account/thing id`. */
export const ownerAttribute = 'thingward';

// What AWS takes: with a thing type fifty attributes, without one three.
const nameForm = /^[a-zA-Z0-9_.,@/:#-]{1,128}$/;
const valueForm = /^[a-zA-Z0-9_.,@/:#=[\]-]{1,800}$/;
const most = { typed: 50, untyped: 3 };

type Thing = {
  id: string;
  account: string;
  name: string;
  thingType: string | null;
  attributes: Record<string, string>;
};

/** A thing as AWS should have it: with as many of its attributes, by name, as AWS takes. */
export function toAwsThing(thing: Thing): AwsThing & { leftOut: string[] } {
  const { name, thingType } = thing;
  const room = (thingType === null ? most.untyped : most.typed) - 1;
  const all = Object.entries(thing.attributes).sort(([one], [other]) => (one < other ? -1 : 1));
  const fitting = all.filter(([key, value]) => key !== ownerAttribute && nameForm.test(key) && valueForm.test(value));
  const taken = Object.fromEntries(fitting.slice(0, room));
  return {
    name,
    type: thingType ?? undefined,
    attributes: { [ownerAttribute]: ownerOf(thing), ...taken },
    leftOut: all.map(([key]) => key).filter((key) => !Object.hasOwn(taken, key)),
  };
}

/** The value of the attribute by which a thing in AWS says whose it is. */
export const ownerOf = ({ account, id }: Pick<Thing, 'account' | 'id'>): string => `${account}/${id}`;

/** A short text that is the same for the same thing. */
export function digestOf({ name, type, attributes }: AwsThing): string {
  return hash('sha256', JSON.stringify([name, type ?? null, Object.entries(attributes).sort()])).slice(0, 32);
}

/** What a policy is called in AWS. */
export const policyPrefix = 'thingward-';

/** What a policy is called in AWS IoT. */
export const awsPolicyName = (policy: string): string => `${policyPrefix}${policy}`;
