import { quote } from './limits.js';
import type { PolicyDocument, Statement } from './document.js';

/** What the variables of a policy stand for, for one thing. */
export type Variables = {
  account: string;
  thing: { name: string; type?: string | undefined; attributes: Readonly<Record<string, string>> };
  certificate?: { serialNumber: string } | undefined;
};

/** Who is asked about: made once, asked about often. Holds the values that fit a level, by variable. */
export type Principal = {
  attributes: Readonly<Record<string, string>>;
  account: string | undefined;
  name: string | undefined;
  type: string | undefined;
  serialNumber: string | undefined;
  /** The attributes whose values fit. */
  fitting: ReadonlyMap<string, string>;
};

/** A variable, read. */
export type Variable =
  { of: 'account' | 'name' | 'type' | 'serialNumber'; attribute?: undefined } | { of: 'attribute'; attribute: string };

/** Text with variables in it. `whole` when it is one variable and nothing else. */
export type Template = { text: string; parts: readonly (string | Variable)[]; whole: Variable | undefined };

const fitting = /^(?!\.{1,2}$)[A-Za-z0-9:_.@-]{1,128}$/;
const attributeName = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;

/** True when a value may stand for a variable: it fills one level, and can neither widen nor add one. */
const fits = (value: string | undefined): value is string => value !== undefined && fitting.test(value);

/** The values of a thing, judged once. */
export function createPrincipal({ account, thing, certificate }: Variables): Principal {
  const { name, type, attributes } = thing;
  const fit = (value: string | undefined) => (fits(value) ? value : undefined);
  return {
    attributes,
    account: fit(account),
    name: fit(name),
    type: fit(type),
    serialNumber: fit(certificate?.serialNumber),
    fitting: new Map(Object.entries(attributes).filter(([, value]) => fits(value))),
  };
}

/** The value that fills a variable; undefined when it is missing or unfit. */
export function valueOf(variable: Variable, principal: Principal): string | undefined {
  switch (variable.of) {
    case 'account':
      return principal.account;
    case 'name':
      return principal.name;
    case 'type':
      return principal.type;
    case 'serialNumber':
      return principal.serialNumber;
    case 'attribute':
      return principal.fitting.get(variable.attribute);
  }
}

/** Text with its variables found; undefined when there are none. @throws RangeError for names that no variable has */
export function parseTemplate(text: string): Template | undefined {
  if (!text.includes('${')) return undefined;
  const parts = splitVariables(text).map((part, index) => (index % 2 === 0 ? part : parseVariable(part)));
  if (parts.some((part) => typeof part === 'string' && part.includes('${')))
    throw new RangeError('has a ${ without its }');
  const filled = parts.filter((part) => part !== '');
  const [only] = filled;
  const whole = filled.length === 1 && typeof only === 'object' ? only : undefined;
  return { text, parts: filled, whole };
}

/** The text with what stands for each `${name}` in it; a `${` without its `}` stays. */
export function replaceVariables(text: string, replacement: (name: string) => string): string {
  return splitVariables(text)
    .map((part, index) => (index % 2 === 0 ? part : replacement(part)))
    .join('');
}

/**
 * Text, name, text, name, … text, cut at each `${name}`. By indexOf, because an expression looks for the `}` again
 * from every `${`.
 */
function splitVariables(text: string): string[] {
  const parts: string[] = [];
  let at = 0;
  for (;;) {
    const start = text.indexOf('${', at);
    const end = start < 0 ? -1 : text.indexOf('}', start);
    if (end < 0) return [...parts, text.slice(at)];
    parts.push(text.slice(at, start), text.slice(start + 2, end));
    at = end + 1;
  }
}

/** The text for one thing; undefined when a value is missing or unfit. */
export function fill({ parts, whole }: Template, principal: Principal): string | undefined {
  if (whole) return valueOf(whole, principal);
  let text = '';
  for (const part of parts) {
    const value = typeof part === 'string' ? part : valueOf(part, principal);
    if (value === undefined) return undefined;
    text += value;
  }
  return text;
}

/** The variables in a template. */
export const variablesOf = ({ parts }: Template): Variable[] => parts.filter((part) => typeof part === 'object');

function parseVariable(name: string): Variable {
  switch (name) {
    case 'account':
      return { of: 'account' };
    case 'thing.name':
      return { of: 'name' };
    case 'thing.type':
      return { of: 'type' };
    case 'certificate.serialNumber':
      return { of: 'serialNumber' };
    default: {
      const attribute = /^thing\.attributes\.(.+)$/.exec(name)?.[1];
      if (attribute === undefined || !attributeName.test(attribute)) throw unknownVariable(name);
      return { of: 'attribute', attribute };
    }
  }
}

function unknownVariable(name: string): RangeError {
  return new RangeError(
    `has the unknown variable \${${quote(name)}}: there are account, thing.name, thing.type, thing.attributes.X and certificate.serialNumber`,
  );
}

/**
 * The statements of a policy with its variables filled in for one thing, in one pass. A value that is
 * missing or unfit takes its resource out of an allow (and the statement, when no resource is left),
 * and makes it every resource in a deny.
 */
export function renderPolicy(document: PolicyDocument, variables: Variables): Statement[] {
  const principal = createPrincipal(variables);
  return document.statements.flatMap((statement) => renderStatement(statement, principal) ?? []);
}

/** The same of one statement; undefined when nothing is left of it. */
export function renderStatement(statement: Statement, principal: Principal): Statement | undefined {
  const resources = statement.resources.flatMap(render(statement, principal));
  return resources.length > 0 ? { ...statement, resources } : undefined;
}

function render({ effect }: Statement, principal: Principal): (resource: string) => string[] {
  return (resource) => {
    const template = parseTemplate(resource);
    if (!template) return [resource];
    const filled = fill(template, principal);
    if (filled !== undefined) return [filled];
    return effect === 'allow' ? [] : ['*'];
  };
}
