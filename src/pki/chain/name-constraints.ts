import * as der from '../der.js';
import { oids } from '../oid.js';
import { refuseChain } from './refusal.js';

/** A Name as constraints compare it: for each RDN its types and values, in one form of letters and blanks. */
type ComparedName = string[];

const mostSubtrees = 1000;

/**
 * Refuses constraints (RFC 5280 §4.2.1.10) that the names below an authority would break: directory names, which are
 * given as DER, and the URIs of devices, which have no host. `named` says whose constraints they are. Other kinds of names are in no
 * certificate of Thingward. @throws DomainError `bad-chain`
 */
export function requireAllowedNames(constraints: Buffer, subjects: Buffer[], named: string): void {
  const [permitted, excluded] = subtreesOf(constraints, named);
  for (const { tag } of [...permitted, ...excluded])
    if (tag === der.primitive(6))
      throw refuseChain(
        `${named} constrains URIs, and the URIs of devices (urn:thingward:…) have no host to judge: make it without these`,
      );
  const [allowed, barred] = [permitted, excluded].map((trees) =>
    trees.filter(({ tag }) => tag === der.constructed(4)).map(({ content }) => compared(content)),
  ) as [ComparedName[], ComparedName[]];
  for (const subject of subjects) {
    const name = compared(subject);
    if (allowed.length > 0 && !allowed.some((tree) => isWithin(name, tree)))
      throw refuseChain(
        `${named} does not permit the name of what is below it: permit O= with the name of the account`,
      );
    if (barred.some((tree) => isWithin(name, tree)))
      throw refuseChain(`${named} excludes the name of what is below it: exclude other names`);
  }
}

/** NameConstraints ::= SEQUENCE { permittedSubtrees [0], excludedSubtrees [1] }: the base of each subtree. */
function subtreesOf(constraints: Buffer, named: string): [der.Value[], der.Value[]] {
  const parts = der.members(der.readOne(constraints), der.tags.sequence);
  const [permitted, excluded] = [0, 1].map((n) => {
    const part = parts.find(({ tag }) => tag === der.constructed(n));
    const trees = part ? der.readAll(part.content) : [];
    if (trees.length > mostSubtrees) throw refuseChain(`${named} has more than ${mostSubtrees} name constraints`);
    return trees.map((tree) => {
      const [base, ...distances] = der.members(tree, der.tags.sequence);
      // RFC 5280 allows neither a minimum nor a maximum.
      if (!base || distances.length > 0)
        throw refuseChain(`${named} has name constraints with distances: leave them out`);
      return base;
    });
  });
  return [permitted!, excluded!];
}

const textTags = new Set([0x0c, 0x13, 0x14, 0x16, 0x1a]);

/** A Name, compared as OpenSSL does: letters of one case, blanks folded (RFC 5280 §7.1). */
function compared(name: Buffer): ComparedName {
  return der.members(der.readOne(name), der.tags.sequence).map((rdn) =>
    der
      .members(rdn, der.tags.set)
      .map((attribute) => {
        const [type, value] = der.members(attribute, der.tags.sequence);
        return `${type!.bytes.toString('hex')}=${value ? textOf(value) : ''}`;
      })
      .sort()
      .join('+'),
  );
}

function textOf({ tag, bytes, content }: der.Value): string {
  if (!textTags.has(tag)) return `#${bytes.toString('hex')}`;
  return content.toString('utf8').trim().replace(/\s+/g, ' ').toLowerCase();
}

function isWithin(name: ComparedName, tree: ComparedName): boolean {
  return tree.every((rdn, n) => name[n] === rdn);
}

/** The subject of a device in an account, as constraints judge it. */
export function deviceSubject(account: string): Buffer {
  const attribute = (type: Buffer, value: string) => der.set(der.sequence(type, der.utf8String(value)));
  return der.sequence(attribute(oids.organizationName, account), attribute(oids.commonName, 'device'));
}
