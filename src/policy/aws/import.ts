import { formatRange, parseRange } from '../../address.js';
import { matchesGlob } from '../glob.js';
import type { PolicyDocument, Statement } from '../document.js';
import { readPolicy, type PolicyFault } from '../policy.js';
import { lintPolicy } from '../lint.js';
import { replaceVariables } from '../variables.js';

/**
 * A policy made from a document of AWS IoT, as far as Thingward can express it; `warnings` say what is missing of allows, or wider
 * in denies. Without a document, `denies` says that something denied is lost: then its holder must not get others.
 */
type AwsImport = { document?: PolicyDocument; denies: boolean; warnings: PolicyFault[] };

type OneOrMany = string | string[];
/** Where the document holds. */
type Place = { region: string; awsAccount: string };

type AwsInput = {
  Sid?: string;
  Effect?: string;
  Action?: OneOrMany;
  Resource?: OneOrMany;
  Condition?: Record<string, Record<string, OneOrMany>>;
};

const actions = { Connect: 'connect', Publish: 'publish', Receive: 'receive', Subscribe: 'subscribe' } as const;
type AwsAction = keyof typeof actions;
const types: Record<AwsAction, string> = {
  Connect: 'client',
  Publish: 'topic',
  Receive: 'topic',
  Subscribe: 'topicfilter',
};

/** The policy allows nothing that the document does not. */
export function importFromAws(name: string, text: string, place: Place): AwsImport {
  const warnings: PolicyFault[] = [];
  const inputs = readStatements(text);
  if (!inputs) return { denies: true, warnings: [{ message: 'it is not a policy document' }] };
  const denies = inputs.some(({ Effect }) => Effect !== 'Allow');
  const ids = new Set<string>();
  const statements = inputs.flatMap((input, index) => {
    const id = freshId(ids, input.Sid, index);
    const warn = (message: string) => warnings.push({ statement: id, message });
    return input.Effect !== 'Allow' ? importDeny(input, id, warn) : importAllow(withPlace(input, place), id, warn);
  });
  if (statements.length === 0)
    return { denies, warnings: [...warnings, { message: 'Thingward cannot express any of its statements' }] };
  const { document, faults } = readPolicy({ name, statements: statements.map(withoutRepeats) });
  const errors = document ? lintPolicy(document).filter(({ level }) => level === 'error') : [];
  return document && faults.length + errors.length === 0
    ? { document, denies, warnings }
    : { denies, warnings: [...warnings, ...faults, ...errors.map(({ message }) => ({ message }))] };
}

const withoutRepeats = (statement: Statement): Statement => ({
  ...statement,
  actions: [...new Set(statement.actions)],
  resources: [...new Set(statement.resources)],
});

function readStatements(text: string): AwsInput[] | undefined {
  try {
    const { Statement } = JSON.parse(text) as { Statement?: AwsInput | AwsInput[] };
    const inputs = Array.isArray(Statement) ? Statement : Statement ? [Statement] : undefined;
    return inputs?.every((each) => typeof each === 'object' && each !== null) ? inputs : undefined;
  } catch {
    return undefined;
  }
}

const withPlace = (input: AwsInput, place: Place): AwsInput => ({
  ...input,
  Resource: list(input.Resource).filter((resource) => isHere(resource, place)),
});

function freshId(taken: Set<string>, sid: string | undefined, index: number): string {
  const wanted = (sid ?? '').replace(/[^A-Za-z0-9_-]/g, '-').slice(0, 56) || `s${index + 1}`;
  const id = taken.has(wanted) ? `${wanted}-${index + 1}` : wanted;
  taken.add(id);
  return id;
}

function importAllow(input: AwsInput, id: string, warn: (message: string) => void): Statement[] {
  const condition = readCondition(input.Condition ?? {});
  if (typeof condition === 'string' || 'NotAction' in input || 'NotResource' in input) {
    warn(typeof condition === 'string' ? condition : 'is left out: it names what it excludes');
    return [];
  }
  const named = list(input.Action);
  const retains = matches(named, 'RetainPublish');
  const statements = (Object.keys(actions) as AwsAction[]).flatMap((action) => {
    if (!matches(named, action)) return [];
    const resources = list(input.Resource).flatMap((resource) => allowResource(action, resource, warn));
    // A retained publication asks AWS for one more permission.
    const retain = action === 'Publish' && !retains ? { retain: false } : {};
    const conditions = { ...condition, ...retain };
    const written = Object.keys(conditions).length > 0 ? { condition: conditions } : {};
    if (resources.length === 0) return [];
    return [
      { id: `${id}-${actions[action]}`, effect: 'allow' as const, actions: [actions[action]], resources, ...written },
    ];
  });
  const others = named.filter(
    (each) => !/^(iot:)?\*$/.test(each) && !importable.some((known) => isLike(each, `iot:${known}`)),
  );
  if (others.length > 0) warn(`${others.join(', ')}: there is nothing like it`);
  return statements;
}

const importable = [...Object.keys(actions), 'RetainPublish'];

function importDeny(input: AwsInput, id: string, warn: (message: string) => void): Statement[] {
  const named = 'NotAction' in input ? ['iot:*'] : list(input.Action);
  const resources = 'NotResource' in input ? ['*'] : list(input.Resource);
  if (input.Condition) warn('is denied always: its conditions are left out');
  return (Object.keys(actions) as AwsAction[]).flatMap((action) => {
    const isNamed = matches(named, action) || (action === 'Publish' && matches(named, 'RetainPublish'));
    if (!isNamed) return [];
    const denied = resources.flatMap((resource) => denyResource(action, resource));
    if (denied.length === 0) return [];
    return [
      {
        id: `${id}-${actions[action]}`,
        effect: 'deny' as const,
        actions: [actions[action]],
        resources: [...new Set(denied)],
      },
    ];
  });
}

const variables: Record<string, string> = {
  'iot:Connection.Thing.ThingName': '${thing.name}',
  'iot:Connection.Thing.ThingTypeName': '${thing.type}',
};

/** The text after `arn:…:topic/`; undefined when the resource is of another type. `*` is any. */
function textOf(action: AwsAction, resource: string): string | undefined {
  if (resource === '*') return '*';
  const { type, text } = typed.exec(resource)?.groups ?? {};
  return type === types[action] ? text : undefined;
}

const typed = /^arn:[^:]*:iot:(?<region>[^:]*):(?<account>[^:]*):(?<type>[a-z]+)\/(?<text>.*)$/s;

/** Whether an ARN is of this place at all. */
function isHere(resource: string, { region, awsAccount }: Place): boolean {
  const groups = typed.exec(resource)?.groups;
  return groups === undefined || (isLike(groups['region']!, region) && isLike(groups['account']!, awsAccount));
}

function allowResource(action: AwsAction, resource: string, warn: (message: string) => void): string[] {
  const text = textOf(action, resource);
  if (text === undefined) return [];
  const translated = translate(text);
  const leave = (why: string) => {
    warn(`${resource} is left out for ${actions[action]}: ${why}`);
    return [];
  };
  if (translated === undefined) return leave('it has a variable that has no equivalent in Thingward');
  if (action === 'Connect')
    return /[*?]/.test(translated) ? leave('in Thingward a client id is exact') : [`client:${translated}`];
  const open = /(^|\/)\*$/.test(translated);
  const fixed = open ? translated.slice(0, -1) : translated;
  if (/[*?]/.test(fixed)) return leave('* within a topic crosses levels in AWS');
  if (action !== 'Subscribe' && /[+#]/.test(fixed)) return leave('+ and # are no wildcards there');
  if (!open) return [`topic:${translated}`];
  // What ends in /* there has one more level at least; a filter that ends in /# is one of these texts.
  const rest = action === 'Subscribe' ? '#' : fixed === '' ? '#' : '+/#';
  return [`topic:${fixed}${rest}`];
}

function denyResource(action: AwsAction, resource: string): string[] {
  const text = textOf(action, resource);
  // Of another type; or of any, where a wildcard stands before it.
  if (text === undefined) return typed.test(resource) || !/[*?]/.test(resource) ? [] : ['*'];
  const translated = translate(text);
  if (translated === undefined || text === '*') return ['*'];
  if (action === 'Connect') return [/[*?]/.test(translated) ? '*' : `client:${translated}`];
  const star = translated.search(/[*?]/);
  if (star < 0) return [`topic:${translated}`];
  // Everything below the last whole level before the wildcard.
  const slash = translated.lastIndexOf('/', star);
  return [slash < 0 ? '*' : `topic:${translated.slice(0, slash)}/#`];
}

/** The text with Thingward's variables; undefined when there is nothing like one of them. */
function translate(text: string): string | undefined {
  let unknown = false;
  const translated = replaceVariables(text, (name) => {
    const attribute = /^iot:Connection\.Thing\.Attributes\[([A-Za-z][A-Za-z0-9_-]{0,63})\]$/.exec(name)?.[1];
    const known = variables[name] ?? (attribute === undefined ? undefined : `\${thing.attributes.${attribute}}`);
    unknown ||= known === undefined;
    return known ?? '';
  });
  return unknown ? undefined : translated;
}

/** What Thingward can express of a condition; a text saying why the statement cannot. */
function readCondition(condition: Record<string, Record<string, OneOrMany>>): object | string {
  const sources: string[] = [];
  for (const [operator, keys] of Object.entries(condition)) {
    for (const [key, values] of Object.entries(keys)) {
      if (operator === 'Bool' && key === 'iot:Connection.Thing.IsAttached' && list(values).join() === 'true') continue;
      const ranges =
        operator === 'IpAddress' && key.toLowerCase() === 'aws:sourceip' ? toRanges(list(values)) : undefined;
      if (!ranges || sources.length > 0) return `is left out: there is no condition like ${operator} ${key}`;
      sources.push(...ranges);
    }
  }
  return sources.length > 0 ? { sourceCidrs: sources } : {};
}

function toRanges(values: string[]): string[] | undefined {
  const ranges = values.map((value) =>
    parseRange(value.includes('/') ? value : `${value}/${value.includes(':') ? 128 : 32}`),
  );
  return ranges.includes(undefined) || ranges.length === 0 ? undefined : ranges.map((range) => formatRange(range!));
}

const list = (value: OneOrMany | undefined): string[] =>
  Array.isArray(value) ? value : value === undefined ? [] : [value];

const matches = (named: string[], action: string): boolean => named.some((pattern) => isLike(pattern, `iot:${action}`));

/** AWS's wildcards, in action names, whose case does not matter. Never a RegExp: one of many stars never ends. */
function isLike(pattern: string, text: string): boolean {
  return matchesGlob(pattern.toLowerCase(), text.toLowerCase());
}
