import type { Clock } from '../../clock.js';
import type { Transaction } from '../../db/client.js';
import { DomainError } from '../../errors.js';
import type { MethodStore } from './method-store.js';
import type { NewPasskey, PasskeyAnswer, Passkeys } from './passkeys.js';
import { requireFitPassword, type Passwords } from './password.js';
import { newRecoveryCodes, recoveryHash } from './recovery.js';
import { totpStepOf } from './totp.js';

type Deps = {
  methods: MethodStore;
  passkeys: Passkeys;
  passwords: Passwords;
  sealTotp(personId: string, secret: string): Buffer;
  clock: Clock;
};

/** A password with the secret of an app that has shown a code. */
export type NewPassword = { passwordHash: string; totp: string; step: number };

export type Setup = ReturnType<typeof createSetup>;

/** How ways in are set up: each is proved before it is stored. */
export function createSetup({ methods, passkeys, passwords, sealTotp, clock }: Deps) {
  const storeRecoveryCodes = async (tx: Transaction, personId: string): Promise<string[]> => {
    const codes = newRecoveryCodes();
    await methods.putRecoveryCodes(
      tx,
      personId,
      codes.map((code) => recoveryHash(personId, code)),
    );
    return codes;
  };

  return {
    storeRecoveryCodes,

    /** @throws DomainError `invalid-credential`, `passkeys-off` */
    passkey: (answer: PasskeyAnswer, challenge: string): Promise<NewPasskey> => passkeys.made(answer, challenge),

    /** @throws DomainError `conflict` for a passkey that belongs to somebody */
    async storePasskey(tx: Transaction, personId: string, name: string, passkey: NewPasskey): Promise<void> {
      if (await methods.addPasskey(tx, personId, name, passkey, clock())) return;
      throw new DomainError('conflict', 'this passkey is set up already: use another one');
    },

    /** Judges a new password, and a code of the app that goes with it. @throws DomainError `invalid-request`, `invalid-credential`, `too-many-requests` */
    async password(
      { name }: { name: string },
      { password, code, totp }: { password: string; code: string; totp: string },
    ): Promise<NewPassword> {
      requireFitPassword(password, name);
      const step = totpStepOf(totp, code, clock());
      if (step === undefined)
        throw new DomainError('invalid-credential', 'the code is wrong: check the clock of the device with the app');
      return { passwordHash: await passwords.hash(password), totp, step };
    },

    /** Returns the recovery codes that go with it, to be shown once. */
    async storePassword(
      tx: Transaction,
      personId: string,
      { passwordHash, totp, step }: NewPassword,
    ): Promise<string[]> {
      await methods.setPassword(tx, personId, { passwordHash, totpSealed: sealTotp(personId, totp), step });
      return storeRecoveryCodes(tx, personId);
    },
  };
}
