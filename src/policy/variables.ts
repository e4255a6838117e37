import type { PolicyDocument, Statement } from './policy.js';

/** What the variables of a policy stand for, for one thing. */
export type Variables = {
  account: string;
  thing: { name: string; type?: string | undefined; attributes: Readonly<Record<string, string>> };
  certificate?: { serialNumber: string } | undefined;
};

const placeholder = /\$\{([^}]*)\}/g;
const fitting = /^(?!\.{1,2}$)[A-Za-z0-9:_.@-]{1,128}$/;

/**
 * The statements of a policy with its variables filled in for one thing, in one pass. A value that is
 * missing or unfit takes its resource out of an allow (and the statement, when no resource is left),
 * and makes it every resource in a deny.
 */
export function renderPolicy(document: PolicyDocument, variables: Variables): Statement[] {
  return document.statements
    .map((statement) => ({ ...statement, resources: statement.resources.flatMap(render(statement, variables)) }))
    .filter(({ resources }) => resources.length > 0);
}

function render({ effect }: Statement, variables: Variables): (resource: string) => string[] {
  return (resource) => {
    if (!resource.includes('${')) return [resource];
    let unfit = false;
    const filled = resource.replace(placeholder, (_, name: string) => {
      const value = valueOf(name, variables);
      if (value !== undefined && fitting.test(value)) return value;
      unfit = true;
      return '';
    });
    if (!unfit) return [filled];
    return effect === 'allow' ? [] : ['*'];
  };
}

function valueOf(name: string, { account, thing, certificate }: Variables): string | undefined {
  switch (name) {
    case 'account':
      return account;
    case 'thing.name':
      return thing.name;
    case 'thing.type':
      return thing.type;
    case 'certificate.serialNumber':
      return certificate?.serialNumber;
    default: {
      const attribute = /^thing\.attributes\.(.+)$/.exec(name)?.[1];
      return attribute !== undefined && Object.hasOwn(thing.attributes, attribute)
        ? thing.attributes[attribute]
        : undefined;
    }
  }
}
