import { readFileSync } from 'node:fs';
import { EdgeConfigError, readTextFile } from '../settings/config.js';

/** Files of a connection to a sink. */
export type FileSettings = {
  caFile?: string | undefined;
  certFile?: string | undefined;
  keyFile?: string | undefined;
};

/** What is in them, for TLS. */
export type TlsFiles = { ca?: Buffer; cert?: Buffer; key?: Buffer };

/** Reads the files of a connection. @throws EdgeConfigError */
export function readTlsFiles({ caFile, certFile, keyFile }: FileSettings): TlsFiles {
  const files: TlsFiles = {};
  if (caFile !== undefined) files.ca = readOctets(caFile, 'authorities of a sink');
  if (certFile !== undefined) files.cert = readOctets(certFile, 'the certificate for a sink');
  if (keyFile !== undefined) files.key = readOctets(keyFile, 'the key for a sink');
  return files;
}

/** The one line of a file, such as a password. @throws EdgeConfigError */
export function readSecret(file: string | undefined): string | undefined {
  return file === undefined ? undefined : readTextFile(file, 'a password or secret').replace(/\r?\n$/, '');
}

function readOctets(file: string, what: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new EdgeConfigError(`${file} cannot be read (${what}): ${(error as Error).message}`);
  }
}
