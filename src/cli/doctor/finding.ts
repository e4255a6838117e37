/** What is wrong in a file of settings: the rule, the line, the harm that it does, and what to write instead. */
export type Finding = { rule: string; line: number; harm: string; write: string };

/** What rules may look at beside the text: files that it names, and the time. */
export type Around = {
  /** The content of a file; undefined where it cannot be read, as on another machine. */
  read(path: string): Buffer | undefined;
  now: Date;
};

/** The rules for the settings of one program. They answer in the order of lines. */
export type Rules = (text: string, around: Around) => Finding[];

/**
 * How long an answer may be kept without being asked for again, in seconds: Thingward says so of every answer that it gives to a
 * caller which does not follow the feed (`validUntil`).
 */
export const promisedSeconds = 5;

/** What the same mistake does, whichever program makes it. */
export const harms = {
  plainListener: 'tokens and passwords cross the network in the clear, and no certificate is asked for',
  certificateOptional: 'a device whose certificate is revoked connects without one',
  noList: 'no list of revoked certificates is read: a revoked device is let in until its certificate ends',
  unverifiedClient: 'certificates are not judged: one that anybody made for itself is believed',
  keyInUrl: 'an API key in a URL is in every log that keeps URLs',
  cacheTime: `a yes is used for longer than the ${promisedSeconds} seconds that Thingward stands by`,
} as const;

/** The programs whose settings can be judged. */
export const programNames = [
  'mosquitto',
  'emqx',
  'nanomq',
  'rabbitmq',
  'vernemq',
  'nginx',
  'haproxy',
  'envoy',
  'caddy',
] as const;

/** One of them. */
export type ProgramName = (typeof programNames)[number];

/** The findings in the order of their lines. */
export function inOrder(findings: Finding[]): Finding[] {
  return findings.toSorted((a, b) => a.line - b.line || a.rule.localeCompare(b.rule));
}
