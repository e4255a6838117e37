/** One line of a file of names and values. */
export type Setting = { name: string; value: string; line: number };

/**
 * Reads `name value` or `name = value`, one in a line; `#` begins a comment, after a value only where a blank is before it.
 * Quotes around a value are left out. Linear in the text.
 */
export function readSettings(text: string, separator: ' ' | '='): Setting[] {
  return text.split('\n').flatMap((raw, index) => {
    const content = withoutComment(raw).trim();
    if (content === '') return [];
    const at = separator === '=' ? content.indexOf('=') : content.search(/\s/);
    const name = at < 0 ? content : content.slice(0, at).trimEnd();
    const value = at < 0 ? '' : unquoted(content.slice(at + 1).trim());
    return [{ name, value, line: index + 1 }];
  });
}

/** The last setting of a name, which is the one that counts. */
export function lastOf(settings: readonly Setting[], name: string): Setting | undefined {
  return settings.findLast((setting) => setting.name === name);
}

/** Whether a value says yes, in the words of brokers. */
export const isOn = (setting: Setting | undefined): boolean => /^(true|on|yes|1)$/i.test(setting?.value ?? '');

/** A time such as `10s`, `500ms`, `1m` or `2h`, in seconds; a bare number counts in `unit` seconds. NaN where it is no time. */
export function secondsOf(text: string, unit = 1): number {
  const [, digits, suffix = ''] = /^(\d{1,12})\s?(ms|s|m|h|d|)$/.exec(text.trim()) ?? [];
  const factor = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400, '': unit }[suffix as 's'];
  return Number(digits) * factor;
}

/** A line up to its comment. */
export function withoutComment(line: string): string {
  for (let at = line.indexOf('#'); at >= 0; at = line.indexOf('#', at + 1))
    if (at === 0 || /\s/.test(line[at - 1]!)) return line.slice(0, at);
  return line;
}

function unquoted(text: string): string {
  const quote = text[0];
  return text.length > 1 && (quote === '"' || quote === "'") && text.endsWith(quote) ? text.slice(1, -1) : text;
}
