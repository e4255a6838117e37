import { z } from 'zod';
import type { StoredEnrollment } from '../../enrollments/store.js';
import { attributes, policyName } from '../../shapes.js';

/** What the check of an enrollment says of a device. */
export type Verdict = { allow: false; reason: string } | ({ allow: true } & Narrowed);

/** What a device gets less than its enrollment gives; what is absent stays as it is. */
type Narrowed = { attributes?: Record<string, string> | undefined; policies?: string[] | undefined };

const shape = z.object({
  allow: z.boolean(),
  attributes: attributes.nullish(),
  policies: z.array(policyName).max(20).nullish(),
  reason: z.string().nullish(),
});

const longestReason = 500;

/** The verdict in the body of an answer; undefined when it is none. */
export function readVerdict(text: string): Verdict | undefined {
  const { success, data } = shape.safeParse(parse(text));
  if (!success) return undefined;
  if (!data.allow) return { allow: false, reason: plain(data.reason ?? '') || 'no reason was given' };
  return { allow: true, attributes: data.attributes ?? undefined, policies: data.policies ?? undefined };
}

type Limits = Pick<StoredEnrollment, 'attributes' | 'deviceAttributes' | 'policies'>;

/** What of a verdict goes beyond the enrollment, to say it to people; undefined when it only narrows. */
export function wideningOf({ attributes: given = {}, policies = [] }: Narrowed, limits: Limits): string | undefined {
  const foreign = policies.find((policy) => !limits.policies.includes(policy));
  if (foreign !== undefined) return `the policy ${foreign}`;
  const own = (name: string) => limits.deviceAttributes.includes(name);
  const same = (name: string) => Object.hasOwn(limits.attributes, name) && limits.attributes[name] === given[name];
  const beyond = Object.keys(given).find((name) => !own(name) && !same(name));
  return beyond === undefined ? undefined : `the attribute ${beyond}`;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Text on one line that every program shows. */
function plain(text: string): string {
  return text
    .slice(0, longestReason)
    .replace(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/gu, ' ')
    .trim();
}
