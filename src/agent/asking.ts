import { numericDate, type Clock } from '../clock.js';
import { call } from './client.js';
import type { Trust } from './connection.js';
import { AgentError } from './errors.js';
import { provisionProof, type ManufacturerCertificate } from './manufacturer.js';

/** What admits a device to its first boot. */
export type Credential =
  | {
      /** The enrollment token, `twe_...`. */
      enrollment: string;
      name: string;
    }
  | {
      /** In place of a token: the id of an enrollment of kind `ca`, which names the device by its certificate. */
      enrollmentId: string;
      manufacturer: ManufacturerCertificate;
      name?: string | undefined;
    };

type Booting = { server: string; wanted: { csr: string }; trust: Trust; clock: Clock };

/** The answer to one first boot, by a token, or by a proof for each request: that counts once, and by the clock of the server. @throws AgentError */
export async function askToBoot<Answer>(
  credential: Credential,
  { server, wanted, trust, clock }: Booting,
): Promise<Answer> {
  const url = `${server}/v1/provision`;
  if ('enrollment' in credential)
    return call<Answer>(url, post(wanted, { authorization: `Bearer ${credential.enrollment}` }), trust);
  const { manufacturer, enrollmentId: enrollment } = credential;
  const { csr } = wanted;
  const sendBy = (ahead: number) =>
    call<Answer>(
      url,
      () => {
        const at = numericDate(clock()) + ahead;
        return post({ ...wanted, proof: provisionProof(manufacturer, { server, enrollment, csr, at }) });
      },
      trust,
    );
  return sendBy(0).catch((error: unknown) => {
    if (!(error instanceof AgentError) || error.code !== 'invalid-client' || error.serverTime === undefined)
      throw error;
    const ahead = offsetTo(error.serverTime, clock());
    if (Math.abs(ahead) < 5) throw error;
    return sendBy(ahead);
  });
}

const post = (body: object, headers: Record<string, string> = {}) =>
  ({
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  }) as const;

/** How far the clock of the server is ahead, in seconds. */
export function offsetTo(serverTime: string, now: Date): number {
  return Math.round((Date.parse(serverTime) - now.getTime()) / 1000);
}
