import type { KeyObject } from 'node:crypto';
import type { KeyType } from '../pki/public-key.js';
import type { HeldCertificate, RegisteredThing } from '../registry.js';
import type { Manufactured } from './admission/manufactured.js';
import type { FamilyToken } from './store.js';

/** What a device asks for at its first boot, whatever protocol it speaks. */
export type FirstBoot = {
  name: string;
  thingType: string | undefined;
  /** What the device says of itself; what its enrollment says wins. */
  attributes: Record<string, string>;
  /** A PKCS#10 request for its own key, in DER; or the type of the key to make for it. */
  key: { csr: Buffer } | { make: KeyType };
  /** The one-time code of an expected thing. */
  code?: string | undefined;
  /** The ACME account that asks, which the thing will belong to. */
  acmeAccountId?: string | undefined;
  /** Under an enrollment of kind `ca`, which admits nobody without. */
  manufactured?: Manufactured | undefined;
};

/** A certificate for another key, for the holder of one that it has proved to hold. */
export type RenewFor = {
  holder: HeldCertificate;
  /** A PKCS#10 request in DER. */
  csr: Buffer;
  /** Somebody asks who did not prove the key of the holder's certificate: that certificate does not count as used. */
  withoutKey?: true;
  /** Uses up what proved that, just before a certificate is signed for it: a repetition before that costs nothing. */
  spend(): Promise<void>;
};

/** What a device gets; `family` is set when a token of it goes with the rest. */
export type Provisioned = {
  created: boolean;
  thing: RegisteredThing;
  certificate: { der: Buffer; serialNumber: string; fingerprint: string; notBefore: Date; notAfter: Date };
  privateKey?: KeyObject;
  family?: FamilyToken;
};

/** A device that waits until an operator approves it: under which id, and when to ask again. */
export type StillWaiting = { waiting: { id: string; retryAfter: number } };
