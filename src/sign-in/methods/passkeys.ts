import {
  generateAuthenticationOptions,
  generateRegistrationOptions,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
  type AuthenticationResponseJSON,
  type RegistrationResponseJSON,
} from '@simplewebauthn/server';
import { decodeAttestationObject } from '@simplewebauthn/server/helpers';
import { DomainError } from '../../errors.js';

/** A passkey that was made and proved. */
export type NewPasskey = { credentialId: string; publicKey: Buffer; counter: number; transports: string[] };

/** What is known of a passkey. */
export type KnownPasskey = NewPasskey & { id: string; personId: string };

/** What a browser answers; its form is for the library to judge. */
export type PasskeyAnswer = Record<string, unknown>;

/** The pages that passkeys are used on, and the host that they belong to; without one there are none. */
export type PasskeySite = { origin: string; passkeyHost: string | undefined };

export type Passkeys = ReturnType<typeof createPasskeys>;

/** Passkeys (WebAuthn level 3), always with user verification: having the device and unlocking it are two factors. */
export function createPasskeys({ origin, passkeyHost }: PasskeySite) {
  const requireHost = (): string => {
    const why = whyOff();
    if (why === undefined) return passkeyHost!;
    throw new DomainError('passkeys-off', why);
  };
  const whyOff = (from?: string): string | undefined => {
    if (passkeyHost === undefined) return 'passkeys need a name, and THINGWARD_PUBLIC_URL has an address: give it one';
    return from === undefined || from === origin ? undefined : `passkeys work at ${origin} alone: open that`;
  };

  return {
    /** Why passkeys cannot be used by a page of an origin; undefined where they can. */
    whyOff,

    /** What a browser needs to make a passkey that is not one of `known`. @throws DomainError `passkeys-off` */
    async creation(person: { id: string; name: string }, known: string[]) {
      return generateRegistrationOptions({
        rpName: 'Thingward',
        rpID: requireHost(),
        userName: person.name,
        userDisplayName: person.name,
        userID: new TextEncoder().encode(person.id),
        attestationType: 'none',
        excludeCredentials: known.map((id) => ({ id })),
        authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
      });
    },

    /** The passkey that a browser made. @throws DomainError `invalid-credential`, `passkeys-off` */
    async made(answer: PasskeyAnswer, challenge: string): Promise<NewPasskey> {
      const expectedRPID = requireHost();
      const response = answer as unknown as RegistrationResponseJSON;
      const { registrationInfo } = await judged(async () => {
        requirePlainAttestation(response.response.attestationObject);
        return verifyRegistrationResponse({
          response,
          expectedChallenge: challenge,
          expectedOrigin: origin,
          expectedRPID,
          requireUserVerification: true,
        });
      });
      const { id, publicKey, counter, transports = [] } = registrationInfo!.credential;
      return { credentialId: id, publicKey: Buffer.from(publicKey), counter, transports };
    },

    /** What a browser needs to show a passkey of any person: the same for every name, known or not. @throws DomainError `passkeys-off` */
    request: () => generateAuthenticationOptions({ rpID: requireHost(), userVerification: 'required' }),

    /** How often a passkey says it was used, after it proved itself. @throws DomainError `invalid-credential`, `passkeys-off` */
    async shown(answer: PasskeyAnswer, challenge: string, known: KnownPasskey): Promise<number> {
      const expectedRPID = requireHost();
      const { authenticationInfo } = await judged(() =>
        verifyAuthenticationResponse({
          response: answer as unknown as AuthenticationResponseJSON,
          expectedChallenge: challenge,
          expectedOrigin: origin,
          expectedRPID,
          credential: {
            id: known.credentialId,
            publicKey: new Uint8Array(known.publicKey),
            counter: known.counter,
            transports: known.transports,
          },
          requireUserVerification: true,
        }),
      );
      return authenticationInfo.newCounter;
    },
  };
}

/** Of formats that browsers send unasked, some make the library fetch what their certificates name. */
function requirePlainAttestation(attestation: string): void {
  const format = decodeAttestationObject(new Uint8Array(Buffer.from(attestation, 'base64url'))).get('fmt');
  if (format !== 'none' && format !== 'packed') throw new Error(`no attestation was asked for, least of all ${format}`);
}

/** Whatever a library says against an answer, it is refused. */
async function judged<Result extends { verified: boolean }>(work: () => Promise<Result>): Promise<Result> {
  let result: Result;
  try {
    result = await work();
  } catch (error) {
    throw refused(error);
  }
  if (!result.verified) throw refused();
  return result;
}

function refused(cause?: unknown): DomainError {
  return new DomainError(
    'invalid-credential',
    'the passkey was not accepted: try again, or use another way in',
    {},
    { cause },
  );
}
