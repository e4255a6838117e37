import { constants } from 'node:crypto';
import { readFileSync, unwatchFile, watchFile } from 'node:fs';
import type { Server } from 'node:https';
import { createSecureContext, type SecureContextOptions } from 'node:tls';

/** What a TLS server has beside its certificate where no session may be resumed. */
export const withoutTickets: SecureContextOptions = { secureOptions: constants.SSL_OP_NO_TICKET };

type Files = { certFile: string; keyFile: string };
type Log = { info(fields: object, message: string): void; error(fields: object, message: string): void };

// By looking, not by notification: links that are swapped and network file systems notify nobody.
const lookMs = 2000;

/**
 * Gives a running server the certificate of its files again when one of them changes, and when the function that is returned is
 * called. `kept` is what else the server was made with. A pair that cannot be used (the key does not exist yet, say) leaves the old one in place and is logged.
 */
export function followTlsFiles(
  { certFile, keyFile }: Files,
  server: Server,
  log: Log,
  kept: SecureContextOptions = {},
): () => void {
  const read = () => ({ ...kept, cert: readFileSync(certFile), key: readFileSync(keyFile) });
  let current = read();
  const reload = (): void => {
    try {
      const next = read();
      if (next.cert.equals(current.cert) && next.key.equals(current.key)) return;
      // Throws where certificate and key do not belong together, before the server knows of them.
      createSecureContext(next);
      server.setSecureContext(next);
      current = next;
      log.info({ certFile }, 'the TLS certificate was read again');
    } catch (error) {
      log.error({ err: error, certFile, keyFile }, 'the new TLS certificate cannot be used: the old one stays');
    }
  };
  for (const file of [certFile, keyFile]) watchFile(file, { interval: lookMs, persistent: false }, reload);
  server.once('close', () => [certFile, keyFile].forEach((file) => unwatchFile(file, reload)));
  return reload;
}
