/** What a document may hold when it is saved. What was saved before, under no limit, is still decided by. */
export const policyLimits = {
  statements: 1000,
  /** Characters of the document as JSON. */
  characters: 262_144,
  /** Of all statements together. */
  windows: 256,
  zones: 32,
  /** See `weightOf`. */
  weight: 20_000,
  /** Active policies of an account, and their weight together. */
  accountPolicies: 1000,
  accountWeight: 200_000,
  /** Of everything wrong with a document, so much is told. */
  findings: 100,
} as const;

const longestQuote = 100;

/** Text that a message quotes, cut where nobody reads on. */
export function quote(text: string, most = longestQuote): string {
  // Half a pair of UTF-16 would not be text.
  return text.length <= most ? text : `${text.slice(0, most).replace(/[\ud800-\udbff]$/, '')}…`;
}
