import { startAuthentication, startRegistration } from '@simplewebauthn/browser';
import { api } from './api.js';

type Creation = Parameters<typeof startRegistration>[0]['optionsJSON'];
type Request = Parameters<typeof startAuthentication>[0]['optionsJSON'];

/** A new passkey, as the API reads it. The options come from the API. */
export async function makePasskey(options: unknown): Promise<Record<string, unknown>> {
  return { ...(await startRegistration({ optionsJSON: options as Creation })) };
}

/** A passkey that is shown, as the API reads it. */
export async function showPasskey(): Promise<Record<string, unknown>> {
  const options: unknown = await api.post('/v1/sign-in/passkey/options', { body: {} });
  return { ...(await startAuthentication({ optionsJSON: options as Request })) };
}
