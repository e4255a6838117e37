import { hash, X509Certificate } from 'node:crypto';
import { DomainError } from '../errors.js';
import type { Origin } from '../origin.js';
import type { RevocationReason } from '../pki/crl.js';
import { publicKeyOf } from '../pki/public-key.js';
import type { HeldCertificate } from '../registry.js';
import { actingAs } from './accounts.js';
import { decodeBase64url } from './signed/base64url.js';
import { payloadOf } from './signed/payload.js';
import { refusal } from './problem.js';
import type { ByAccount, ByKey } from './signed/requests.js';
import * as schema from './schema.js';
import type { ThingStore } from './thing-store.js';

type Deps = {
  things: Pick<ThingStore, 'isOwner'>;
  findCertificate(fingerprint: string): Promise<HeldCertificate | undefined>;
  revokeCertificate(account: string, serialNumber: string, reason: RevocationReason, origin: Origin): Promise<unknown>;
};

// By their codes (RFC 5280 §5.3.1): those that are for good and for devices.
const reasons = new Map<number, RevocationReason>([
  [0, 'unspecified'],
  [1, 'keyCompromise'],
  [3, 'affiliationChanged'],
  [4, 'superseded'],
  [5, 'cessationOfOperation'],
  [9, 'privilegeWithdrawn'],
]);

/** Returns the function that revokes for the account that made the thing, or for who holds the key of the certificate (RFC 8555 §7.6). */
export function createRevoking({ things, findCertificate, revokeCertificate }: Deps) {
  /** Who asks, if they may. @throws DomainError `unauthorized` */
  const askerOf = async (
    asked: ByAccount | ByKey,
    { thing, der }: HeldCertificate,
    origin: Origin,
  ): Promise<Origin> => {
    if ('account' in asked) {
      if (await things.isOwner(asked.account.id, thing.id)) return actingAs(asked.account, origin);
    } else if (publicKeyOf(new X509Certificate(der).publicKey).spki.equals(asked.key.spki)) {
      return { ...origin, actor: `thing:${thing.name}` };
    }
    throw refusal(
      'unauthorized',
      'this certificate belongs to another account and another key: sign with the one that it belongs to',
    );
  };

  /** @throws DomainError `alreadyRevoked`, `badRevocationReason`, `unauthorized`, `malformed` */
  return async (asked: ByAccount | ByKey, origin: Origin): Promise<void> => {
    const { certificate, reason: code = 0 } = payloadOf(asked.jws, schema.revokeCert);
    const held = await findCertificate(hash('sha256', decodeBase64url(certificate, 'certificate')));
    if (!held) throw refusal('notFound', 'this server did not issue the certificate: ask the one that did');
    const actor = await askerOf(asked, held, origin);
    if ('spend' in asked) await asked.spend({ id: held.fingerprint, account: held.thing.account });
    const reason = reasons.get(code);
    if (!reason) throw refusal('badRevocationReason', `reason has to be one of ${[...reasons.keys()].join(', ')}`);
    const { account } = held.thing;
    if (!held.accountActive) throw new DomainError('account-suspended', `the account ${account} is suspended`);
    if (held.revokedAt && held.reason !== 'certificateHold')
      throw refusal(
        'alreadyRevoked',
        `the certificate was revoked for ${held.reason ?? 'no reason'}: nothing is left to do`,
      );
    await revokeCertificate(account, held.serialNumber, reason, actor);
  };
}
