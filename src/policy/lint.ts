import { parseResource } from './resource.js';
import { quote } from './limits.js';
import type { PolicyDocument, Statement } from './document.js';
import { atOnce, capping, pause, readingPolicy, type PolicyFault } from './policy.js';

/** What is wrong, or only odd, about a document. An `error` keeps it from being saved. */
export type Finding = { level: 'error' | 'warning'; statement?: string; message: string };

/** The findings about a document, its shape first; at most a hundred findings, each short. Never throws. */
export const lintPolicy = (input: unknown): Finding[] => atOnce(lintingPolicy(input));

/** {@link lintPolicy} with a pause after each statement. */
export function* lintingPolicy(input: unknown): Generator<void, Finding[]> {
  const { document, faults } = yield* readingPolicy(input);
  const errors = faults.map((fault) => ({ level: 'error' as const, ...fault }));
  return document && errors.length === 0 ? yield* lintingDocument(document) : errors;
}

/** What keeps a document from being saved first, so that no number of warnings hides it. */
function* lintingDocument(document: PolicyDocument): Generator<void, Finding[]> {
  const findings: Finding[] = [];
  for (const level of levels) {
    const faults = yield* capping(findingsOf(document, level));
    findings.push(...faults.map((fault) => ({ level, ...fault })));
  }
  return findings;
}

const levels = ['error', 'warning'] as const;

function* findingsOf({ statements }: PolicyDocument, level: Finding['level']): Generator<PolicyFault | typeof pause> {
  for (const statement of statements) {
    for (const rule of rules) {
      if (rule.level !== level) continue;
      for (const message of rule.find(statement)) yield { statement: statement.id, message };
    }
    yield pause;
  }
}

type Rule = { level: Finding['level']; find(statement: Statement): string[] };

const reaches = (actions: string[], action: string) => actions.includes('*') || actions.includes(action);
const dataActions = ['publish', 'subscribe', 'receive', 'request'];

const rules: Rule[] = [
  {
    level: 'error',
    find: ({ resources }) =>
      resources.includes('client:*')
        ? ['client:* is the client id "*" and nothing else: name the client id, such as client:${thing.name}']
        : [],
  },
  {
    level: 'error',
    find: ({ effect, actions, resources }) =>
      effect === 'allow' && resources.includes('*') && reaches(actions, 'connect')
        ? ['* with connect lets a device be any client: allow connect on client:${thing.name}']
        : [],
  },
  {
    level: 'warning',
    find: ({ effect, actions, resources }) =>
      effect === 'allow' && resources.includes('*') && dataActions.some((action) => reaches(actions, action))
        ? ['* reaches the topics and paths of every other thing: name what this thing needs']
        : [],
  },
  { level: 'warning', find: wideTopics },
  {
    level: 'warning',
    find: ({ resources }) =>
      resources
        .filter((resource) => /^topic:\$(share|queue|exclusive|delayed|stream)\//.test(resource))
        .map((resource) =>
          resource.startsWith('topic:$share/')
            ? `${quote(resource)} never matches: for shared subscriptions, the filter after $share/<group>/ decides`
            : `${quote(resource)} is matched as it is written: only $share/<group>/ is removed`,
        ),
  },
  {
    level: 'warning',
    find: ({ resources }) =>
      resources
        .filter((resource) => resource.startsWith('http:') && /%[0-9a-fA-F]{2}/.test(resource))
        .map((resource) => `${quote(resource)} is compared with decoded paths: write it decoded`),
  },
];

/** Allows on topics whose first two levels name nobody: they cross things, and perhaps accounts. */
function wideTopics({ effect, resources }: Statement): string[] {
  if (effect !== 'allow') return [];
  return resources
    .filter(crossesThings)
    .map((resource) => `${quote(resource)} crosses things: begin with \${account}/\${thing.name}`);
}

function crossesThings(resource: string): boolean {
  const { kind, levels } = parseResource(resource);
  const [first, second] = levels;
  if (kind !== 'topic' || (typeof first === 'string' && first.startsWith('$'))) return false;
  return first === '+' || second === '+' || second === '#';
}
