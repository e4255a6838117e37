import type { ResourceKind } from '../action.js';
import { formatRange, isWithin, parseRange } from '../../address.js';
import {
  allowFilters,
  allowLevel,
  allowTopics,
  denyFilters,
  denyFiltersShortly,
  denyLevel,
  denyTopics,
  type AwsNames,
  type Unsayable,
} from './resource.js';
import { quote } from '../limits.js';
import type { PolicyDocument, Statement } from '../document.js';
import { capped, type PolicyFault } from '../policy.js';
import { parseResource, type Level, type ResourcePattern } from '../resource.js';

type AwsStatement = {
  Effect: 'Allow' | 'Deny';
  Action: string[];
  Resource: string[];
  Condition?: Record<string, Record<string, string[]>>;
};

/** A policy document of AWS IoT. */
export type AwsDocument = { Version: '2012-10-17'; Statement: AwsStatement[] };

/**
 * What AWS IoT gets of a policy. No document when it cannot be made sound; then `refusals` says why. `warnings` are
 * what AWS will allow less of, or deny more of.
 */
export type AwsExport = { document?: AwsDocument; warnings: PolicyFault[]; refusals: PolicyFault[] };

type AwsExportOptions = AwsNames & {
  /** `arn:aws:iot:eu-central-1:123456789012`; without it the document holds in every account and region. */
  arn?: string | undefined;
  /** Every allow holds only for certificates that are attached to a thing: for all but custom authorizers. */
  requireAttached: boolean;
};

type Placed = AwsExportOptions & { arn: string };

/** What AWS counts of a document, which has no white space here. */
const awsDocumentLimit = 2048;

type AwsAction = 'iot:Connect' | 'iot:Publish' | 'iot:RetainPublish' | 'iot:Receive' | 'iot:Subscribe';
type Reach = { actions: AwsAction[]; resources: string[] | Unsayable };

/**
 * An AWS IoT policy that allows nothing that the policy does not: what AWS cannot say is left out of allows, and
 * denied more widely in denies.
 */
export function exportToAws(policy: PolicyDocument, { arn, ...names }: AwsExportOptions): AwsExport {
  const options = { ...names, arn: arn ?? anywhere };
  const warnings: PolicyFault[] = [];
  const warn = (statement: Statement, message: string) => warnings.push({ statement: statement.id, message });
  const allows = policy.statements
    .filter(({ effect }) => effect === 'allow')
    .flatMap((statement) => exportAllow(statement, options, warn));
  const denies = policy.statements.filter(({ effect }) => effect === 'deny');
  denies.forEach((statement) => warnOfWidening(statement, options, warn));
  for (const filtersOf of [denyFilters, denyFiltersShortly]) {
    const budget = withBudget(filtersOf);
    const denied = denies.flatMap((each) => exportDeny(each, options, budget.filtersOf));
    if (budget.isSpent()) continue;
    const statements = merge([...(arn === undefined ? [noSecondResource] : []), ...denied, ...allows]);
    const document: AwsDocument = {
      Version: '2012-10-17',
      Statement: statements.length > 0 ? statements : [saysNothing(options)],
    };
    if (JSON.stringify(document).length > awsDocumentLimit) continue;
    if (filtersOf === denyFiltersShortly)
      warnings.push({ message: 'denies of subscribe are too many for AWS: every filter with a wildcard is denied' });
    return { document, warnings: capped(warnings), refusals: [] };
  }
  const message = `its document is longer than the ${awsDocumentLimit} characters that AWS allows: split the policy in two`;
  return { warnings: capped(warnings), refusals: [{ message }] };
}

const anywhere = 'arn:aws:iot:*:*';

// A `*` for the account could swallow the beginning of a topic that holds the end of a resource here.
const noSecondResource: AwsStatement = {
  Effect: 'Deny',
  Action: ['iot:Connect', 'iot:Publish', 'iot:RetainPublish', 'iot:Receive', 'iot:Subscribe'],
  Resource: ['client', 'topic', 'topicfilter'].map((type) => `${anywhere}:${type}/*:${type}/*`),
};

/** What closes a policy that AWS cannot express: everything is denied. */
export function denyEverything(): AwsDocument {
  return { Version: '2012-10-17', Statement: [{ Effect: 'Deny', Action: ['iot:*'], Resource: ['*'] }] };
}

/** AWS wants a statement; nobody can publish to the empty topic. */
function saysNothing({ arn }: Placed): AwsStatement {
  return { Effect: 'Deny', Action: ['iot:Publish'], Resource: [`${arn}:topic/`] };
}

function exportAllow(
  statement: Statement,
  options: Placed,
  warn: (statement: Statement, message: string) => void,
): AwsStatement[] {
  const { condition = {}, actions, resources } = statement;
  const { sourceCidrs, ...others } = condition;
  const unsaid = Object.keys(others).filter((name) => others[name as keyof typeof others] !== undefined);
  if (unsaid.length > 0) {
    warn(statement, `is left out: AWS IoT has no condition like ${unsaid.join(', ')}`);
    return [];
  }
  const ranges = sourceCidrs?.flatMap((cidr) => exportRange(cidr, (message) => warn(statement, message)));
  if (ranges?.length === 0) return [];
  return resources.flatMap((resource) =>
    allowed(parseResource(resource), actions, options).flatMap(({ actions: Action, resources: found }) => {
      if (!Array.isArray(found)) {
        warn(statement, `${quote(resource)} is left out: ${found.unsayable}`);
        return [];
      }
      return [allow(Action, found, ranges, options)];
    }),
  );
}

function allow(Action: string[], Resource: string[], ranges: string[] | undefined, { requireAttached }: Placed) {
  const attached = requireAttached ? { Bool: { 'iot:Connection.Thing.IsAttached': ['true'] } } : {};
  const sources = ranges ? { IpAddress: { 'aws:SourceIp': ranges } } : {};
  const Condition = { ...attached, ...sources };
  return {
    Effect: 'Allow' as const,
    Action,
    Resource,
    ...(Object.keys(Condition).length > 0 ? { Condition } : {}),
  };
}

/** What an allow reaches in AWS, in full ARNs. */
function allowed({ kind, levels }: ResourcePattern, named: string[], options: Placed): Reach[] {
  if (kind === undefined) return [{ actions: [], resources: { unsayable: '* reaches every resource of the account' } }];
  if (kind !== 'topic' && kind !== 'client')
    return [{ actions: [], resources: { unsayable: `AWS IoT decides nothing about ${kind} resources` } }];
  const has = (action: string) => named.includes(action) || named.includes('*');
  const within = (type: string, texts: string[] | Unsayable) =>
    Array.isArray(texts) ? texts.map((text) => `${options.arn}:${type}/${text}`) : texts;
  const topics = within('topic', allowTopics(levels, options));
  if (kind === 'client') {
    const client = allowLevel(levels[0]!, options);
    return [{ actions: ['iot:Connect'], resources: within('client', typeof client === 'string' ? [client] : client) }];
  }
  return [
    ...(has('publish') ? [{ actions: publishes, resources: topics }] : []),
    ...(has('receive') ? [{ actions: ['iot:Receive'] as AwsAction[], resources: topics }] : []),
    ...(has('subscribe')
      ? [
          {
            actions: ['iot:Subscribe'] as AwsAction[],
            resources: within('topicfilter', allowFilters(levels, options)),
          },
        ]
      : []),
  ];
}

const publishes: AwsAction[] = ['iot:Publish', 'iot:RetainPublish'];

/** A range as AWS writes it. Nothing for one that holds IPv4 in its IPv6 form, which Thingward treats as IPv4. */
function exportRange(cidr: string, warn: (message: string) => void): string[] {
  const range = parseRange(cidr)!;
  if (!isWithin(mapped, range)) return [formatRange(range)];
  warn(`${cidr} is left out: it holds IPv4 addresses written as IPv6; 2000::/3 is all of the public IPv6`);
  return [];
}

// ::ffff:0:0
const mapped = [0, 0, 0xffff, 0];

type FiltersOf = (levels: Level[], names: AwsNames) => string[];

/** Makes filters as long as they can fit into a document of AWS: each has a character at least. */
function withBudget(filtersOf: FiltersOf): { filtersOf: FiltersOf; isSpent(): boolean } {
  const distinct = new Set<string>();
  const isSpent = () => distinct.size > awsDocumentLimit;
  return {
    isSpent,
    filtersOf(levels, names) {
      if (isSpent()) return [];
      const filters = filtersOf(levels, names);
      for (const filter of filters) distinct.add(filter);
      return filters;
    },
  };
}

function exportDeny({ actions, resources }: Statement, options: Placed, filtersOf: FiltersOf): AwsStatement[] {
  return resources.flatMap((resource) => {
    const pattern = parseResource(resource);
    return [...deniedClients(pattern, actions, options), ...deniedTopics(pattern, actions, options, filtersOf)].map(
      ({ actions: Action, texts, type }) => ({
        Effect: 'Deny' as const,
        Action,
        Resource: texts.map((text) => `${options.arn}:${type}/${text}`),
      }),
    );
  });
}

type Denied = { actions: AwsAction[]; type: string; texts: string[] };

function deniedClients({ kind, levels }: ResourcePattern, named: string[], options: Placed): Denied[] {
  if (!reaches(kind, 'client') || !(named.includes('connect') || named.includes('*'))) return [];
  const text = kind === undefined ? '*' : (denyLevel(levels[0]!, options) ?? '*');
  return [{ actions: ['iot:Connect'], type: 'client', texts: [text] }];
}

function deniedTopics(
  { kind, levels }: ResourcePattern,
  named: string[],
  options: Placed,
  filtersOf: FiltersOf,
): Denied[] {
  if (!reaches(kind, 'topic')) return [];
  const has = (...actions: string[]) => actions.some((action) => named.includes(action)) || named.includes('*');
  const topics = kind === undefined ? ['*'] : denyTopics(levels, options);
  const filters = () => (kind === undefined ? ['*'] : filtersOf(levels, options));
  return [
    ...(has('publish') ? [{ actions: publishes, type: 'topic', texts: topics }] : []),
    ...(has('subscribe', 'receive')
      ? [
          { actions: ['iot:Receive'] as AwsAction[], type: 'topic', texts: topics },
          { actions: ['iot:Subscribe'] as AwsAction[], type: 'topicfilter', texts: filters() },
        ]
      : []),
  ];
}

const reaches = (kind: ResourceKind | undefined, wanted: ResourceKind) => kind === undefined || kind === wanted;

function warnOfWidening(
  statement: Statement,
  options: Placed,
  warn: (statement: Statement, message: string) => void,
): void {
  if (statement.condition) warn(statement, 'is denied always: AWS gets it without its conditions');
  for (const resource of statement.resources) {
    const { kind, levels } = parseResource(resource);
    if (kind !== 'topic' && kind !== 'client') continue;
    if (levels.some((level) => denyLevel(level, options) === undefined))
      warn(statement, `${quote(resource)} is denied as every ${kind}: that is what it is to a thing without the value`);
    else if (levels.some((level) => level === '+' || /[*?]/.test(typeof level === 'string' ? level : level.text)))
      warn(statement, `${quote(resource)} is denied more widely: * there crosses levels`);
  }
}

/** Statements that differ in their resources alone, as one. */
function merge(statements: AwsStatement[]): AwsStatement[] {
  const merged = new Map<string, { statement: AwsStatement; resources: Set<string> }>();
  for (const statement of statements) {
    const { Resource, ...rest } = statement;
    const key = JSON.stringify(rest);
    const { resources } = merged.get(key) ?? { resources: new Set<string>() };
    for (const resource of Resource) resources.add(resource);
    merged.set(key, { statement, resources });
  }
  return [...merged.values()].map(({ statement, resources }) => ({ ...statement, Resource: [...resources] }));
}
