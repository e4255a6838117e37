import { createPrivateKey, generateKeyPairSync, X509Certificate, type KeyObject } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { AgentError } from './errors.js';

/** What the agent remembers besides keys and certificates. */
export type AgentState = {
  server: string;
  thing: { name: string; account: string };
  links: { token: string; renew: string };
  /** What to add to this machine's clock to get the server's, in seconds. */
  clockOffset: number;
  /** It was told at its first boot whom to trust: the system's certificates do not count. */
  pinned?: true;
};

/** Tokens; `expiresAt` is by the server's clock, in seconds since 1970, `expiresIn` their whole life. */
export type AgentTokens = { accessToken: string; expiresAt: number; expiresIn: number; refreshToken?: string };

export type Folder = ReturnType<typeof openFolder>;

/**
 * The agent's files. Each is replaced as a whole and reaches the disk before the next step, so that a
 * kill at any moment leaves the old or the new: `device.key`, `device.crt`, `chain.pem`, `trust.pem`, `agent.json`,
 * `token.json`, `announced`, and `next.key`, `next.crt` during a renewal. The folder is made only with `create`.
 */
export function openFolder(path: string, { create = false } = {}) {
  if (create) mkdirSync(path, { recursive: true, mode: 0o700 });
  const at = (name: string) => join(path, name);
  const read = (name: string): string | undefined =>
    existsSync(at(name)) ? readFileSync(at(name), 'utf8') : undefined;

  const write = (name: string, content: string, mode = 0o644) => {
    const temporary = at(`.${name}.${process.pid}`);
    rmSync(temporary, { force: true });
    writeFileSync(temporary, content, { mode, flag: 'wx', flush: true });
    renameSync(temporary, at(name));
    syncDirectory(path);
  };

  const move = (from: string, to: string) => {
    renameSync(at(from), at(to));
    syncDirectory(path);
  };

  const certificate = (): X509Certificate | undefined => {
    const pem = read('device.crt');
    return pem === undefined ? undefined : new X509Certificate(pem);
  };

  const key = (name: 'device.key' | 'next.key'): KeyObject => {
    let pem = read(name);
    const isLost = pem === undefined && name === 'device.key' && read('device.crt') !== undefined;
    if (isLost) throw new AgentError(lostKey(at(name)));
    if (pem === undefined) {
      pem = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
        type: 'pkcs8',
        format: 'pem',
      }) as string;
      write(name, pem, 0o600);
    } else {
      // It may have been copied here with another mode.
      chmodSync(at(name), 0o600);
    }
    const made = createPrivateKey(pem);
    const held = name === 'device.key' ? certificate() : undefined;
    if (held && !held.checkPrivateKey(made)) throw new AgentError(foreignKey(at(name)));
    return made;
  };

  // A renewal that was recorded but not yet in place: the key moves first, then the certificate.
  const finishRenewal = () => {
    if (read('next.crt') === undefined) return;
    if (read('next.key') !== undefined) move('next.key', 'device.key');
    move('next.crt', 'device.crt');
  };
  finishRenewal();

  const readJson = <T>(name: string): T | undefined => {
    const text = read(name);
    if (text === undefined) return undefined;
    try {
      return JSON.parse(text) as T;
    } catch {
      throw new AgentError(`${at(name)} is damaged: put it back from a copy, or remove it and provision again`);
    }
  };

  const state = () => readJson<AgentState>('agent.json');
  const writeState = (next: AgentState) => write('agent.json', `${JSON.stringify(next, null, 2)}\n`);
  const writeTokens = (tokens: AgentTokens) => write('token.json', `${JSON.stringify(tokens, null, 2)}\n`, 0o600);
  return {
    path,
    deviceKey: () => key('device.key'),
    nextKey: () => key('next.key'),

    certificate,

    state,
    tokens: () => readJson<AgentTokens>('token.json'),
    writeState,
    writeTokens,

    /** The certificates by which the server is believed, as it said last. */
    trust: () => read('trust.pem'),
    writeTrust: (pem: string) => write('trust.pem', pem),

    /** The serial number of the certificate that was announced last. */
    announced: () => read('announced')?.trim(),
    writeAnnounced: (serialNumber: string) => write('announced', `${serialNumber}\n`),

    /** Writes a first identity; the certificate last, because its presence says that everything exists. */
    writeIdentity(next: AgentState, tokens: AgentTokens | undefined, certificatePem: string, chainPem: string): void {
      writeState(next);
      if (tokens) writeTokens(tokens);
      write('chain.pem', chainPem);
      write('device.crt', certificatePem);
    },

    /** Puts a renewed certificate in place of the old, with the key that it is for. */
    replaceIdentity(certificatePem: string, chainPem: string): void {
      write('chain.pem', chainPem);
      write('next.crt', certificatePem);
      finishRenewal();
    },

    /** @throws AgentError unless a device was provisioned here. */
    requireIdentity(): { state: AgentState; certificate: X509Certificate } {
      const [known, held] = [state(), certificate()];
      if (known && held) return { state: known, certificate: held };
      throw new AgentError(`${path} has no identity: run thingward agent provision first`);
    },
  };
}

const lostKey = (file: string): string =>
  `${file} is missing, and no other key fits the certificate: put it back from a copy, or let an operator re-enroll the thing and provision into an empty folder`;

const foreignKey = (file: string): string =>
  `${file} does not belong to the certificate beside it: put the right one back, or let an operator re-enroll the thing and provision into an empty folder`;

function syncDirectory(path: string): void {
  const descriptor = openSync(path, 'r');
  fsyncSync(descriptor);
  closeSync(descriptor);
}
