import { z } from 'zod';

/** Units of durations, in milliseconds. */
export const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A duration such as `15m`, read as milliseconds. */
export const duration = (least: number, most: number) =>
  z.string('must be a duration such as 10s or 15m').transform((text, context) => {
    const [, amount, unit] = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text) ?? [];
    const ms = Number(amount) * unitMs[unit ?? 'ms']!;
    if (ms >= least && ms <= most) return ms;
    context.addIssue(
      amount === undefined
        ? 'must be a duration such as 10s or 15m: a number with ms, s, m, h or d'
        : `must be between ${least} ms and ${most} ms`,
    );
    return z.NEVER;
  });

/** A text, such as the name of a file. */
export const text = z.string().min(1).max(4096);
/** A port; 0 takes any that is free. */
export const port = z.int().min(0).max(65_535);
/** A host by its name or address. */
export const host = z.string().min(1).max(255);

/** What an edge or a reaper is called at the control plane. */
export const name = z.string().regex(/^[A-Za-z0-9:._-]{1,128}$/, 'must be 1 to 128 letters, digits, and : . _ -');

/** A URL with one of some schemes, without credentials. */
export const url = (schemes: readonly string[]) =>
  z
    .string()
    .max(2048)
    .refine(
      (given) => isUrl(given, schemes),
      `must be a URL with ${schemes.join(', ')} and a host, without credentials`,
    );

/** Whether a text has no other variables than `${account}` and `${thing.name}`. */
export function isTemplate(given: string): boolean {
  return !given.replace(/\$\{(?:account|thing\.name)\}/g, '').includes('${');
}

function isUrl(given: string, schemes: readonly string[]): boolean {
  if (!URL.canParse(given)) return false;
  const { protocol, hostname, username, password, hash } = new URL(given);
  return schemes.includes(protocol.slice(0, -1)) && hostname !== '' && username + password + hash === '';
}

/** Whether a URL has no path. */
export function isBare(given: string): boolean {
  if (!URL.canParse(given)) return false;
  const { pathname, search } = new URL(given);
  return (pathname === '/' || pathname === '') && search === '';
}

/** Whom the edge itself logs in as, in another server than its control plane. */
export const login = {
  username: z
    .string()
    .max(1024)
    .refine((given) => !given.includes('${'), 'knows no variables: it is the name of the edge itself')
    .optional(),
  passwordFile: text.optional(),
};
