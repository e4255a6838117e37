import { X509Certificate } from 'node:crypto';
import { readPem } from '../pki/pem.js';
import type { Trust } from './connection.js';
import type { Folder } from './folder.js';

/** What the server tells a device that renews or asks about itself. */
export type Told = { links: { token: string; renew: string }; trust?: string };

/** Whom to believe: what the caller pins, and what the server said last. Without a pin the system's certificates will do too. */
export function trustOf({ ca }: Trust, folder: Folder): Trust {
  const stored = folder.trust();
  if (stored === undefined) return ca === undefined ? {} : { ca };
  if (ca !== undefined) return { ca: `${ca}\n${stored}` };
  return folder.state()?.pinned ? { ca: stored } : { ca: stored, orSystem: true };
}

/** Keeps where the server is and by what to believe it, as it says now. What is no certificate is left alone. */
export function learn(folder: Folder, { links: { token, renew }, trust }: Told): void {
  const { state } = folder.requireIdentity();
  if (state.links.token !== token || state.links.renew !== renew)
    folder.writeState({ ...state, links: { token, renew } });
  if (trust !== undefined && trust !== folder.trust() && holdsCertificates(trust)) folder.writeTrust(trust);
}

function holdsCertificates(pem: string): boolean {
  try {
    const blocks = readPem(pem).filter(({ label }) => label === 'CERTIFICATE');
    return blocks.map(({ der }) => new X509Certificate(der)).length > 0;
  } catch {
    return false;
  }
}
