import type { HeldCertificate } from '../registry.js';
import type { Grantee } from './grantee.js';

/** A device before its first boot is done: it holds an enrollment token, looked up by `tokenHash`. */
export type EnrollmentCaller = { kind: 'enrollment'; id: string; account: string; actor: string; tokenHash: Buffer };

/** A device with an access token. */
export type ThingCaller = { kind: 'thing'; account: string; actor: string; certificate: HeldCertificate };

/** Whoever sends a request. `actor` is how the audit names them. */
export type Caller = Grantee | EnrollmentCaller | ThingCaller;

/** One way to become a caller: a kind of credential, and who holds it. */
export type Way = {
  /** Whether a credential is of this kind, by its form alone. */
  takes(credential: string): boolean;
  /** Whether a credential was valid recently, without a look-up. */
  isRemembered(credential: string): boolean;
  /** Who holds a credential; undefined when nobody does. At once where it was used recently. @throws DomainError `account-suspended` */
  find(credential: string): Caller | undefined | Promise<Caller | undefined>;
  /** Only for what may end while a request sends its body: what is known of all credentials of this kind, as a mark. */
  mark?(): number | undefined;
  /** Whether a caller is certainly as it was when the mark was taken. */
  isUnchanged?(caller: Caller, mark: number | undefined): boolean;
};
