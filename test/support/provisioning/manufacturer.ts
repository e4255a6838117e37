import { createPrivateKey, hash, randomUUID, sign, X509Certificate, type KeyObject } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestServer } from '../server.js';
import { csrDer, newKey, pem as csrPemOf } from '../pki/csr.js';
import { runProgram } from '../pki/openssl.js';

const ec = ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
const caLines = (more = '') =>
  `basicConstraints = critical,CA:TRUE${more}\nkeyUsage = critical,keyCertSign,cRLSign\nsubjectKeyIdentifier = hash\n`;
const deviceLines =
  'basicConstraints = critical,CA:FALSE\nkeyUsage = critical,digitalSignature\nauthorityKeyIdentifier = keyid\n';

type Made = {
  subject: string;
  /** Lines of an extension file of OpenSSL; those of a device by default. */
  lines?: string;
  by?: string;
  newkey?: string[];
  md?: string;
  days?: number;
};

/** A device of a manufacturer: its certificate, those behind it, and its key. */
export type Device = { chain: X509Certificate[]; key: KeyObject };

export type Manufacturer = ReturnType<typeof createManufacturer>;

/** A manufacturer's public key infrastructure, which OpenSSL makes in a folder: the authority is `ca`. */
export function createManufacturer({ newkey = ec, subject = '/O=Works/CN=Works Device CA' } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'thingward-works-'));
  const at = (name: string): string => join(folder, name);
  const file = (name: string, text: string): string => {
    writeFileSync(at(name), text);
    return at(name);
  };
  const read = (name: string): string => readFileSync(at(name), 'utf8');

  /** An authority that signs itself. */
  const makeRoot = (name: string, as: string, key = newkey, lines = caLines()): string => {
    file('root.cnf', `[req]\ndistinguished_name = dn\nx509_extensions = v3\n[dn]\n[v3]\n${lines}`);
    const made = ['-config', at('root.cnf'), '-subj', as, '-days', '3650', '-out', at(`${name}.pem`)];
    runProgram('openssl', ['req', '-x509', '-newkey', ...key, '-nodes', '-keyout', at(`${name}.key`), ...made]);
    return read(`${name}.pem`);
  };

  /** A key and a certificate for it, in files of a name. */
  const make = (name: string, { subject: as, lines = deviceLines, by = 'ca', ...made }: Made): string => {
    const { newkey: key = ec, md = 'sha256', days = 3650 } = made;
    const request = ['-nodes', '-keyout', at(`${name}.key`), '-out', at(`${name}.csr`), '-subj', as];
    runProgram('openssl', ['req', '-new', '-newkey', ...key, ...request]);
    const extensions = lines === '' ? [] : ['-extfile', file(`${name}.cnf`, lines)];
    const signed = ['-CA', at(`${by}.pem`), '-CAkey', at(`${by}.key`), '-CAcreateserial', '-days', String(days)];
    const output = [`-${md}`, ...extensions, '-out', at(`${name}.pem`)];
    runProgram('openssl', ['x509', '-req', '-in', at(`${name}.csr`), ...signed, ...output]);
    return read(`${name}.pem`);
  };

  const deviceOf = (...names: string[]): Device => ({
    chain: names.map((name) => new X509Certificate(read(`${name}.pem`))),
    key: createPrivateKey(read(`${names[0]}.key`)),
  });

  return {
    at,
    read,
    file,
    makeRoot,
    make,
    caLines,
    deviceLines,
    deviceOf,
    pem: makeRoot('ca', subject),

    /** A device with a serial number, and what else OpenSSL should write into its certificate. */
    device(serial: string, more: Partial<Made> = {}): Device {
      make(serial, { subject: `/O=Works/serialNumber=${serial}`, ...more });
      return deviceOf(serial);
    },

    /** A certificate that the key of an authority signed for a code, of version 1 as AWS's guide makes it. */
    verification: (code: string, by = 'ca'): string =>
      make(`verify-${randomUUID()}`, { subject: `/CN=${code}`, lines: '', by }),

    /** A list of an authority, PEM, that revokes certificates of these names. */
    list(number: number, revoked: string[] = [], { by = 'ca', days = 30, lines = '' } = {}): string {
      const revocations = revoked.map((name) => {
        const { serialNumber } = new X509Certificate(read(`${name}.pem`));
        return `R\t400101000000Z\t250101000000Z\t${serialNumber}\tunknown\t/CN=${name}\n`;
      });
      const [index, next] = [file('index.txt', revocations.join('')), `${number.toString(16).padStart(4, '0')}\n`];
      file('index.txt.attr', '');
      const config = `[ca]\ndefault_ca = own\n[own]\ndatabase = ${index}\ncrlnumber = ${file('crlnumber', next)}\ndefault_md = sha256\n${lines}`;
      const signer = ['-config', file('list.cnf', config), '-cert', at(`${by}.pem`), '-keyfile', at(`${by}.key`)];
      runProgram('openssl', ['ca', '-gencrl', ...signer, '-crldays', String(days), '-out', at('list.pem')]);
      return read('list.pem');
    },

    remove: (): void => rmSync(folder, { recursive: true, force: true }),
  };
}

type Bent = { header?: object; claims?: object; csr?: Buffer };

/** A `provision+jwt` of a device for a request, every part of which a test may bend. */
export function proofFor(
  { url, now }: Pick<TestServer, 'url' | 'now'>,
  { chain, key }: Device,
  enrollment: string,
  { header = {}, claims = {}, csr = Buffer.alloc(0) }: Bent = {},
): string {
  const iat = Math.floor(now().getTime() / 1000);
  const csr_sha256 = hash('sha256', csr, 'buffer').toString('base64url');
  const alg = key.asymmetricKeyType === 'rsa' ? 'RS256' : 'ES256';
  const x5c = chain.map((each) => each.raw.toString('base64'));
  const parts = [
    { alg, typ: 'provision+jwt', x5c, ...header },
    { aud: url, jti: randomUUID(), iat, exp: iat + 120, enrollment, csr_sha256, ...claims },
  ];
  // By hand: libraries refuse keys that a server has to refuse.
  const text = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  const signature = sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' });
  return `${text}.${signature.toString('base64url')}`;
}

/** The answer to the first boot of a device by a proof; what it asks with may be bent. */
export function bootBy(
  server: TestServer,
  device: Device,
  enrollment: string,
  { bent = {}, body = {}, csr = csrDer({ key: newKey() }) }: { bent?: Bent; body?: object; csr?: Buffer } = {},
) {
  const proof = proofFor(server, device, enrollment, { csr, ...bent });
  return server.as(undefined).post('/v1/provision', { csr: csrPemOf(csr), proof, ...body });
}
