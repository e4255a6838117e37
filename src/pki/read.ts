/** Reading what others have signed, as an outside observer does: it shares nothing with what writes it but DER. */
import { verify, type KeyObject } from 'node:crypto';
import { reasonCodes } from './crl.js';
import * as der from './der.js';
import { oids } from './oid.js';
import { hasPem, readPem } from './pem.js';
import { serialDigits } from './serial-number.js';

/** A list that was read; serial numbers are lower-case hex without leading zeros octets. */
export type ReadCrl = {
  issuer: Buffer;
  thisUpdate: Date;
  nextUpdate: Date;
  number: bigint;
  isDelta: boolean;
  /** The list that it is, where it covers only some certificates or names itself: the URL of its distribution point. */
  distributionPoint: string | undefined;
  /** What it says of each certificate, read when asked for. */
  entries(): ReadEntry[];
  serialNumbers: Set<string>;
  /** The latest revocationDate in it. */
  lastRevocation: Date | undefined;
  isSignedBy(key: KeyObject): boolean;
};

/** One line of a list. The reason is `removeFromCRL` only in delta lists. */
type ReadEntry = { serialNumber: string; revokedAt: Date; reason: string };

/** One status in an OCSP answer. */
export type ReadStatus = {
  serialNumber: string;
  status: 'good' | 'revoked' | 'unknown';
  thisUpdate: Date;
  nextUpdate: Date;
};

/** An OCSP answer that was read. Nothing of it is believed before `isSignedBy`. */
type ReadOcsp = { statuses: ReadStatus[]; responder: Buffer; isSignedBy(key: KeyObject): boolean };

const hashes = new Map<string, string | null>([
  [oids.ecdsaWithSha256.toString('hex'), 'sha256'],
  [oids.ecdsaWithSha384.toString('hex'), 'sha384'],
  [oids.ecdsaWithSha512.toString('hex'), 'sha512'],
  [oids.sha256WithRsa.toString('hex'), 'sha256'],
  [oids.sha384WithRsa.toString('hex'), 'sha384'],
  [oids.sha512WithRsa.toString('hex'), 'sha512'],
  [oids.ed25519.toString('hex'), null],
]);

/** The lists in a file, each in DER: one in DER, or any number in PEM (RFC 7468 §6). @throws PemError */
export function listsIn(file: Buffer): Buffer[] {
  if (file[0] === 0x30) return [file];
  const text = file.toString('latin1');
  const blocks = hasPem(text) ? readPem(text) : [];
  return blocks.filter(({ label }) => label === 'X509 CRL').map((block) => block.der);
}

/** Reads a CRL in DER (RFC 5280 §5.1). @throws Error when it is none */
export function readCrl(bytes: Buffer): ReadCrl {
  const { tbs, isSignedBy } = readSigned(bytes);
  const fields = der.members(tbs, der.tags.sequence);
  const [, , issuer, thisUpdate, nextUpdate] = fields;
  const hasEntries = fields[5]?.tag === der.tags.sequence;
  const entries = (hasEntries ? der.members(fields[5], der.tags.sequence) : []).map((entry) =>
    der.members(entry, der.tags.sequence),
  );
  const extensions = readExtensions(fields.at(-1)!, der.constructed(0));
  const number = extensions.get(oids.crlNumber.toString('hex'));
  if (!number) throw new Error('the list has no number');
  return {
    issuer: issuer!.bytes,
    thisUpdate: readTime(thisUpdate!),
    nextUpdate: readTime(nextUpdate!),
    number: BigInt(`0x${der.contentOf(der.readOne(number), der.tags.integer).toString('hex')}`),
    isDelta: extensions.has(oids.deltaCrlIndicator.toString('hex')),
    distributionPoint: readPoint(extensions.get(oids.issuingDistributionPoint.toString('hex'))),
    entries: () => entries.map(readEntry),
    serialNumbers: new Set(entries.map(([serial]) => readSerial(serial!))),
    lastRevocation: latestOf(entries.map(([, date]) => readTime(date!))),
    isSignedBy,
  };
}

/** Reads an OCSP answer in DER (RFC 6960 §4.2.1). @throws Error when it is none, or not successful */
export function readOcsp(bytes: Buffer): ReadOcsp {
  const [status, wrapped] = der.members(der.readOne(bytes), der.tags.sequence);
  if (status?.content[0] !== 0) throw new Error(`the OCSP answer has the status ${status?.content[0]}`);
  const [responseBytes] = der.members(wrapped, der.constructed(0));
  const basic = der.contentOf(der.members(responseBytes, der.tags.sequence)[1], der.tags.octetString);
  const { tbs, isSignedBy, rest } = readSigned(basic);
  const responses = der.members(tbs, der.tags.sequence).find(({ tag }) => tag === der.tags.sequence);
  const [certificates] = der.members(rest, der.constructed(0));
  const [responder] = der.members(certificates, der.tags.sequence);
  return {
    statuses: der.members(responses, der.tags.sequence).map(readSingle),
    responder: responder!.bytes,
    isSignedBy,
  };
}

function readSingle(single: der.Value): ReadStatus {
  const [certId, status, thisUpdate, nextUpdate] = der.members(single, der.tags.sequence);
  const word = { 0x80: 'good', 0xa1: 'revoked', 0x82: 'unknown' } as const;
  return {
    serialNumber: readSerial(der.members(certId, der.tags.sequence)[3]!),
    status: word[status!.tag as keyof typeof word] ?? 'unknown',
    thisUpdate: readTime(thisUpdate!),
    nextUpdate: readTime(der.readOne(der.contentOf(nextUpdate, der.constructed(0)))),
  };
}

function readSigned(bytes: Buffer) {
  const [tbs, algorithm, signature, rest] = der.members(der.readOne(bytes), der.tags.sequence);
  const [id] = der.members(algorithm, der.tags.sequence);
  const hash = hashes.get(id!.bytes.toString('hex'));
  if (hash === undefined) throw new Error('it is signed with an algorithm that is not known here');
  const isSignedBy = (key: KeyObject): boolean =>
    verify(hash, tbs!.bytes, key, der.contentOf(signature, der.tags.bitString).subarray(1));
  return { tbs: tbs!, rest, isSignedBy };
}

function readExtensions(field: der.Value, tag: number): Map<string, Buffer> {
  const [list] = der.members(field, tag);
  return readExtensionList(list!);
}

function readExtensionList(list: der.Value): Map<string, Buffer> {
  return new Map(
    der.members(list, der.tags.sequence).map((each) => {
      const parts = der.members(each, der.tags.sequence);
      return [parts[0]!.bytes.toString('hex'), der.contentOf(parts.at(-1), der.tags.octetString)];
    }),
  );
}

function latestOf(dates: Date[]): Date | undefined {
  return dates.reduce<Date | undefined>((latest, date) => (latest && latest > date ? latest : date), undefined);
}

const reasons = new Map<number, string>(
  [...Object.entries(reasonCodes), ['removeFromCRL', 8] as const].map(([reason, code]) => [code, reason]),
);

function readEntry([serial, at, list]: der.Value[]): ReadEntry {
  const extensions = list ? readExtensionList(list) : new Map<string, Buffer>();
  const code = extensions.get(oids.reasonCode.toString('hex'));
  const reason = code ? der.contentOf(der.readOne(code), der.tags.enumerated)[0]! : 0;
  return { serialNumber: readSerial(serial!), revokedAt: readTime(at!), reason: reasons.get(reason) ?? 'unspecified' };
}

/** The first URL of an issuing distribution point (RFC 5280 §5.2.5). */
function readPoint(extension: Buffer | undefined): string | undefined {
  if (!extension) return undefined;
  const [point] = der.members(der.readOne(extension), der.tags.sequence);
  const [name] = der.members(point, der.constructed(0));
  const [url] = der.members(name, der.constructed(0));
  return url?.content.toString('latin1') ?? '';
}

/** A serial number as lists name it. @throws DerError */
export function readSerial(value: der.Value): string {
  return serialDigits(der.contentOf(value, der.tags.integer).toString('hex'));
}

/** A UTCTime or GeneralizedTime; an invalid date for anything else. */
export function readTime({ tag, content }: der.Value): Date {
  const digits = content.toString('latin1');
  const full = tag === der.tags.utcTime ? `${Number(digits.slice(0, 2)) < 50 ? '20' : '19'}${digits}` : digits;
  const [, year, month, day, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(full) ?? [];
  return new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}
