import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runProgram } from './openssl.js';

const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** What a certificate of an authority says of itself: lines of an extension file of OpenSSL. */
type Extensions = { [Name in string]: string };

const caOf = (pathlen?: number): Extensions => ({
  basicConstraints: `critical,CA:TRUE${pathlen === undefined ? '' : `,pathlen:${pathlen}`}`,
  keyUsage: 'critical,keyCertSign,cRLSign',
  subjectKeyIdentifier: 'hash',
});

/** A public key infrastructure that is not ours: OpenSSL makes it, in a folder of its own. */
export function createExternalRoot(subject = '/O=Works/CN=Works Root') {
  const folder = mkdtempSync(join(tmpdir(), 'thingward-root-'));
  const at = (name: string): string => join(folder, name);
  const file = (name: string, text: string): string => {
    writeFileSync(at(name), text);
    return at(name);
  };
  const lines = (extensions: Extensions): string =>
    Object.entries(extensions)
      .map(([name, value]) => `${name} = ${value}\n`)
      .join('');

  /** A root that signs itself, under a name of a file. */
  const makeRoot = (name: string, as: string, extensions: Extensions = caOf(), days = 3650): string => {
    file('root.cnf', `[req]\ndistinguished_name = dn\nx509_extensions = v3\n[dn]\n[v3]\n${lines(extensions)}`);
    const made = ['-config', at('root.cnf'), '-subj', as, '-days', String(days)];
    runProgram('openssl', ['req', '-x509', ...key, '-keyout', at(`${name}.key`), '-out', at(`${name}.pem`), ...made]);
    return readFileSync(at(`${name}.pem`), 'utf8');
  };

  /** Signs a request as it is, by the one of a name. */
  const sign = (csr: string, extensions: Extensions = caOf(0), by = 'root', more = ['-days', '1000']): string => {
    const input = file('request.csr', csr);
    const extfile = file('request.cnf', lines({ authorityKeyIdentifier: 'keyid', ...extensions }));
    const signed = ['-CA', at(`${by}.pem`), '-CAkey', at(`${by}.key`), '-CAcreateserial', ...more, '-extfile', extfile];
    runProgram('openssl', ['x509', '-req', '-in', input, ...signed, '-out', at('signed.pem')]);
    return readFileSync(at('signed.pem'), 'utf8');
  };

  return {
    at,
    file,
    pem: makeRoot('root', subject),
    sign,
    makeRoot,

    /** An intermediate between a root and ours, under a name of a file. */
    makeIntermediate(name: string, as: string, extensions: Extensions = caOf(), by = 'root'): string {
      runProgram('openssl', ['req', ...key, '-keyout', at(`${name}.key`), '-out', at(`${name}.csr`), '-subj', as]);
      const pem = sign(readFileSync(at(`${name}.csr`), 'utf8'), extensions, by);
      return readFileSync(file(`${name}.pem`, pem), 'utf8');
    },

    /** A list of a root with nothing in it, PEM, under a number. */
    list(number: number, days = 30, by = 'root'): string {
      const database = `[ca]\ndefault_ca = ca\n[ca]\ndatabase = ${file('index.txt', '')}\ncrlnumber = ${file('crlnumber', `${number.toString(16).padStart(2, '0')}\n`)}\ndefault_md = sha256\n`;
      file('index.txt.attr', '');
      const config = ['-config', file('ca.cnf', database), '-cert', at(`${by}.pem`), '-keyfile', at(`${by}.key`)];
      runProgram('openssl', ['ca', '-gencrl', ...config, '-crldays', String(days), '-out', at('list.pem')]);
      return readFileSync(at('list.pem'), 'utf8');
    },

    remove: (): void => rmSync(folder, { recursive: true, force: true }),
  };
}

export type ExternalRoot = ReturnType<typeof createExternalRoot>;

/** The extensions of a CA, with a path length or without. */
export const caExtensions = caOf;
