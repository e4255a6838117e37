import { DomainError } from '../errors.js';
import { thingNameForm } from '../shapes.js';
import { refusal, acmeProblem } from './problem.js';

type Identifier = { type: string; value: string };

// One label of a DNS name: what RFC 5890 §2.3.1 has, and the underscore that thing names may have.
const labelForm = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/;

/** The name of the thing that an order is for. @throws DomainError `unsupportedIdentifier`, `rejectedIdentifier`, with a subproblem for each */
export function nameOf(identifiers: Identifier[]): string {
  const refused = identifiers.flatMap((each) => {
    const error = refusalOf(each);
    return error ? [{ error, identifier: each }] : [];
  });
  const [first] = refused;
  const names = [...new Set(identifiers.map(({ value }) => value.toLowerCase()))];
  if (!first && names.length === 1) return names[0]!;
  if (first) throw withSubproblems(first.error, refused);
  const error = refusal('rejectedIdentifier', 'a certificate is for one thing: make an order for each identifier');
  throw withSubproblems(
    error,
    names.slice(1).map((value) => ({ error, identifier: { type: 'dns', value } })),
  );
}

type Refused = { error: DomainError; identifier: Identifier };

function withSubproblems({ code, message, extras }: DomainError, refused: Refused[]): DomainError {
  const subproblems = refused.map(({ error, identifier }) => ({ ...acmeProblem(error), identifier }));
  return new DomainError(code, message, { acme: { ...extras.acme!, subproblems } });
}

function refusalOf({ type, value }: Identifier): DomainError | undefined {
  if (type !== 'dns')
    return refusal('unsupportedIdentifier', `identifiers of type ${type.slice(0, 64)} are not taken: use dns`);
  const name = value.toLowerCase();
  if (labelForm.test(name) && thingNameForm.test(name)) return undefined;
  return refusal(
    'rejectedIdentifier',
    'the name of a thing is one label of a DNS name, at most 63 letters, digits, _ and -: leave dots, wildcards and the rest out',
  );
}
