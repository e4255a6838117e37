import { inDays } from '../clock.js';
import type { Schemas } from '../api.js';

/** An enrollment as somebody types it. */
export type Draft = {
  pattern: string;
  thingType: string;
  maxUses: string;
  ends: '1' | '7' | '30' | '365' | 'never';
  approval: boolean;
  policies: string[];
  segment: string;
  attributes: string;
  sourceCidrs: string;
};

/** What most enrollments are. */
export const firstDraft: Draft = {
  pattern: '',
  thingType: '',
  maxUses: '100',
  ends: '30',
  approval: false,
  policies: ['sensor'],
  segment: '',
  attributes: '',
  sourceCidrs: '',
};

/** The lines of a text that say something. */
export const linesOf = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');

/** Attributes written as `name=value`, one on a line. */
export const attributesOf = (text: string): Record<string, string> =>
  Object.fromEntries(
    linesOf(text).map((line) => {
      const at = line.indexOf('=');
      return at < 0 ? [line, ''] : [line.slice(0, at).trim(), line.slice(at + 1).trim()];
    }),
  );

/** The enrollment as the API reads it. */
export function bodyOf(draft: Draft): Schemas['NewEnrollment'] {
  const { pattern, thingType, maxUses, ends, approval, policies, segment } = draft;
  const attributes = attributesOf(draft.attributes);
  const sourceCidrs = linesOf(draft.sourceCidrs);
  return {
    thingNamePattern: pattern.trim(),
    maxUses: Number(maxUses),
    policies,
    expiresAt: ends === 'never' ? 'never' : inDays(Number(ends)),
    ...(thingType.trim() === '' ? {} : { thingType: thingType.trim() }),
    ...(approval ? { approval: 'required' as const } : {}),
    ...(segment === '' ? {} : { segment }),
    ...(Object.keys(attributes).length === 0 ? {} : { attributes }),
    ...(sourceCidrs.length === 0 ? {} : { sourceCidrs }),
  };
}
