import type { Restored } from './restored.js';

/** What to tell the person who restored a backup, and what is left for them to do. */
export function reportOf({ epoch, applied, closed, sources, mayBeOld }: Restored): string {
  const lines = [
    `Re-applied: ${count(applied.certificates, 'revoked or held certificate')}, and ${applied.orphans} more of which only the serial number is known; ${count(applied.things, 'thing')}.`,
    `Closed: ${count(closed.enrollments, 'open enrollment')}, ${count(closed.families, 'refresh token')}, ${count(closed.tokenKeys, 'token key')} (new ones are made at the next start).`,
    `The log has started epoch ${epoch}: followers read a snapshot again, and every list is signed again with a higher number.`,
    '',
    'Check what may have been reverted to the time of the backup:',
  ];
  for (const { account, keys, policies, suspended, people } of mayBeOld) {
    lines.push(`  account ${account}`);
    lines.push(...each('    key', keys), ...each('    policy', policies), ...each('    suspended thing', suspended));
    lines.push(...each('    person', people));
    if (!sources.fed.has(account))
      lines.push('    no feed snapshot was passed: things that were suspended or revoked later may be active again');
  }
  lines.push(
    '  Everybody is signed out, and open links of people have ended.',
    '',
    'Thingward does not know certificates that were issued after the backup. If that matters, rotate the issuing CA and re-enroll those devices.',
  );
  return `${lines.join('\n')}\n`;
}

function each(what: string, items: string[]): string[] {
  return items.map((item) => `${what} ${item}`);
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
