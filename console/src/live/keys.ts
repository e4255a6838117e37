/** What became stale, and the first words of the questions that show it. */
const keysOf: Record<string, readonly string[]> = {
  accounts: ['accounts'],
  alerts: ['alerts', 'rules', 'channels'],
  audit: ['audit'],
  aws: ['aws'],
  certificates: ['certificates', 'ending'],
  campaigns: ['campaigns'],
  commands: ['commands', 'command-schemas'],
  decisions: ['decisions'],
  edges: ['edges'],
  groups: ['groups'],
  enrollments: ['enrollments'],
  issuers: ['issuers', 'list-age'],
  keys: ['keys'],
  me: ['me', 'my-sessions'],
  metrics: ['metrics'],
  people: ['people'],
  pipelines: ['pipelines'],
  policies: ['policies', 'rights'],
  receipts: ['receipt'],
  segments: ['segments'],
  sessions: ['sessions'],
  settings: ['providers', 'sign-in-settings', 'ways'],
  things: ['things', 'thing', 'count', 'rights'],
  waiting: ['waiting'],
  webhooks: ['webhooks'],
};

// A version of a policy or a pipeline never changes, and what was found or asked at a moment stays what it was.
const fixed = [
  ['policies', 'version'],
  ['policies', 'preview'],
  ['pipelines', 'version'],
  ['things', 'found'],
];

/** Tells which questions of these kinds have to be asked again; all live ones, without kinds. */
export function isStale(kinds: readonly string[] | undefined): (key: readonly unknown[]) => boolean {
  const all = kinds ?? Object.keys(keysOf);
  const words = new Set(all.flatMap((kind) => keysOf[kind] ?? []));
  return (key) => words.has(String(key[0])) && !fixed.some((each) => each.every((word, n) => key[n] === word));
}
