import * as der from '../der.js';
import { oids } from '../oid.js';
import { refuseDevice } from './refusal.js';

// UTF8String, PrintableString and IA5String: what UTF-8 reads.
const plainText = new Set([0x0c, 0x13, 0x16]);
const mostNames = 100;

/** The values of a type in a Name (RFC 5280 §4.1.2.4) that are plain text; any other counts as empty. @throws DerError */
export function textsOf(name: Buffer, type: Buffer): string[] {
  const found: string[] = [];
  for (const rdn of der.members(der.readOne(name), der.tags.sequence)) {
    for (const attribute of der.members(rdn, der.tags.set)) {
      const [id, value] = der.members(attribute, der.tags.sequence);
      if (!id?.bytes.equals(type) || !value) continue;
      found.push(plainText.has(value.tag) ? value.content.toString('utf8') : '');
    }
  }
  return found;
}

/** The alternative names of a certificate. @throws DerError, DomainError `manufacturer-refused` */
export function alternativeNames(extension: Buffer | undefined): der.Value[] {
  const names = extension ? der.members(der.readOne(extension), der.tags.sequence) : [];
  if (names.length > mostNames) throw refuseDevice(`it has more than ${mostNames} alternative names`);
  return names;
}

/** HardwareModuleName ::= SEQUENCE { hwType OBJECT IDENTIFIER, hwSerialNum OCTET STRING } (RFC 4108 §5). */
function hardwareOf(names: der.Value[]): { hwType: Buffer; hwSerialNum: Buffer }[] {
  return names.flatMap(({ tag, content }) => {
    if (tag !== der.constructed(0)) return [];
    const [type, wrapped] = der.readAll(content);
    if (!type?.bytes.equals(oids.hardwareModuleName)) return [];
    const [module] = der.readAll(der.contentOf(wrapped, der.constructed(0)));
    const [hwType, hwSerialNum] = der.members(module, der.tags.sequence);
    const parts = [der.contentOf(hwType, der.tags.oid), der.contentOf(hwSerialNum, der.tags.octetString)] as const;
    return [{ hwType: parts[0], hwSerialNum: parts[1] }];
  });
}

type Named = { subject: Buffer; subjectAltName: Buffer | undefined };

const readers: Record<string, (certificate: Named) => string[]> = {
  CN: ({ subject }) => textsOf(subject, oids.commonName),
  serialNumber: ({ subject }) => textsOf(subject, oids.serialNumberOfName),
  // Dots are in no name of a thing, and in no OID stands a dash.
  hwType: ({ subjectAltName }) =>
    hardwareOf(alternativeNames(subjectAltName)).map(({ hwType }) => der.dottedOid(hwType).replaceAll('.', '-')),
  hwSerialNum: ({ subjectAltName }) =>
    hardwareOf(alternativeNames(subjectAltName)).map(({ hwSerialNum }) => hwSerialNum.toString('latin1')),
  hwSerialNumHex: ({ subjectAltName }) =>
    hardwareOf(alternativeNames(subjectAltName)).map(({ hwSerialNum }) => hwSerialNum.toString('hex')),
};

/** How the name of a thing is said by what its certificate says: text, and members of the certificate in braces. */
export const namePattern = /^[A-Za-z0-9:_-]*(\{(CN|serialNumber|hwType|hwSerialNum|hwSerialNumHex)\}[A-Za-z0-9:_-]*)+$/;

const longest = 128;

/**
 * The name of the thing that a device becomes. What its certificate lacks, has twice, or says in other characters than names have is
 * refused and never mended, or two devices could get one name. @throws DomainError `manufacturer-refused`, DerError
 */
export function nameFrom(pattern: string, certificate: Named): string {
  const name = pattern.replace(/\{([A-Za-z]+)\}/g, (_, member: string) => {
    const [value, ...others] = readers[member]!(certificate);
    if (value === undefined) throw refuseDevice(`it has no ${member}, which the name of its thing is made of`);
    if (others.length > 0) throw refuseDevice(`it has several ${member}, and the name of its thing needs one`);
    if (!/^[A-Za-z0-9:_-]+$/.test(value))
      throw refuseDevice(`its ${member} has other characters than letters, digits, colons, _ and -`);
    return value;
  });
  if (name.length > longest) throw refuseDevice(`the name of its thing would be longer than ${longest} characters`);
  return name;
}
