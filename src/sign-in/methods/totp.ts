import { randomBytes } from 'node:crypto';
import { Secret, TOTP } from 'otpauth';

const [secretBytes, stepSeconds, digits] = [20, 30, 6];
// One step of grace on either side, for clocks and for slow fingers.
const graceSteps = 1;

/** A new secret for an authenticator app, in base32 (RFC 6238, RFC 4226 §4). */
export function newTotpSecret(): string {
  return new Secret({ buffer: new Uint8Array(randomBytes(secretBytes)).buffer }).base32;
}

/** What authenticator apps read from a QR code. */
export function totpUri(secret: string, name: string): string {
  return totpOf(secret, name).toString();
}

/** The time step that a code belongs to; undefined for a code that is wrong now. */
export function totpStepOf(secret: string, code: string, at: Date): number | undefined {
  const timestamp = at.getTime();
  const delta = totpOf(secret, '').validate({ token: code, timestamp, window: graceSteps });
  return delta === null ? undefined : Math.floor(timestamp / 1000 / stepSeconds) + delta;
}

function totpOf(secret: string, label: string): TOTP {
  return new TOTP({ issuer: 'Thingward', label, secret: Secret.fromBase32(secret), digits, period: stepSeconds });
}
