import { createHash, createSign, generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto';
import { isoCBOR } from '@simplewebauthn/server/helpers';

type Options = { challenge: string; rp?: { id?: string }; rpId?: string; user?: { id: string } };

/** What goes wrong on purpose. */
export type Flaw = {
  origin?: string;
  rpId?: string;
  /** The person was not asked to unlock it. */
  unverified?: true;
  challenge?: string;
  /** Says again a number that it said before. */
  repeatCounter?: true;
  format?: string;
};

const sha256 = (bytes: Buffer | string): Buffer => createHash('sha256').update(bytes).digest();
const [userPresent, userVerified, attested] = [0x01, 0x04, 0x40];

/** An authenticator in software, which holds one passkey (WebAuthn level 3 §6). */
export function createAuthenticator(origin: string) {
  const credentialId = randomBytes(32);
  let counter = 0;
  let key: KeyObject | undefined;
  let userHandle = '';

  const clientData = (type: string, challenge: string, flaw: Flaw): Buffer =>
    Buffer.from(
      JSON.stringify({
        type,
        challenge: flaw.challenge ?? challenge,
        origin: flaw.origin ?? origin,
        crossOrigin: false,
      }),
    );

  const authenticatorData = (rpId: string, flags: number, flaw: Flaw): Buffer => {
    if (!flaw.repeatCounter) counter++;
    const tail = Buffer.alloc(5);
    tail[0] = flags | userPresent | (flaw.unverified ? 0 : userVerified);
    tail.writeUInt32BE(counter, 1);
    return Buffer.concat([sha256(flaw.rpId ?? rpId), tail]);
  };

  const answer = (response: object) => ({
    id: credentialId.toString('base64url'),
    rawId: credentialId.toString('base64url'),
    type: 'public-key',
    clientExtensionResults: {},
    response,
  });

  return {
    credentialId: credentialId.toString('base64url'),

    /** Answers navigator.credentials.create. */
    create(options: Options, flaw: Flaw = {}) {
      const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      key = pair.privateKey;
      userHandle = options.user!.id;
      const { x, y } = pair.publicKey.export({ format: 'jwk' });
      const cose = new Map<number, number | Uint8Array>([
        [1, 2],
        [3, -7],
        [-1, 1],
        [-2, new Uint8Array(Buffer.from(x!, 'base64url'))],
        [-3, new Uint8Array(Buffer.from(y!, 'base64url'))],
      ]);
      const length = Buffer.alloc(2);
      length.writeUInt16BE(credentialId.length);
      const authData = Buffer.concat([
        authenticatorData(options.rp!.id!, attested, flaw),
        Buffer.alloc(16),
        length,
        credentialId,
        Buffer.from(isoCBOR.encode(cose)),
      ]);
      const attestation = isoCBOR.encode(
        new Map<string, any>([
          ['fmt', flaw.format ?? 'none'],
          ['attStmt', new Map()],
          ['authData', new Uint8Array(authData)],
        ]),
      );
      return answer({
        clientDataJSON: clientData('webauthn.create', options.challenge, flaw).toString('base64url'),
        attestationObject: Buffer.from(attestation).toString('base64url'),
        transports: ['internal'],
      });
    },

    /** Answers navigator.credentials.get. */
    get(options: Options, flaw: Flaw = {}) {
      const data = clientData('webauthn.get', options.challenge, flaw);
      const authData = authenticatorData(options.rpId!, 0, flaw);
      const signature = createSign('sha256')
        .update(Buffer.concat([authData, sha256(data)]))
        .sign(key!);
      return answer({
        clientDataJSON: data.toString('base64url'),
        authenticatorData: authData.toString('base64url'),
        signature: signature.toString('base64url'),
        userHandle,
      });
    },
  };
}

export type Authenticator = ReturnType<typeof createAuthenticator>;
