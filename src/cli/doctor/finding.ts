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

/** The findings in the order of their lines. */
export function inOrder(findings: Finding[]): Finding[] {
  return findings.toSorted((a, b) => a.line - b.line || a.rule.localeCompare(b.rule));
}
