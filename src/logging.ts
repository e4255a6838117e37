import { pino, type Logger } from 'pino';

const secrets =
  /\b(tw[ekr])_[A-Za-z0-9_.-]{16,}|\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----/g;

/** Text without credentials, tokens and private keys. */
export function redact(text: string): string {
  return text.replace(secrets, '[redacted]');
}

/** JSON lines on standard error. Requests are logged by route, so no address of theirs carries a secret here. */
export function createLogger(level: string, destination: { write(line: string): void } = process.stderr): Logger {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: {
      paths: [
        '*.authorization',
        '*.cookie',
        '*.password',
        '*.token',
        '*.key',
        '*.csr',
        '*.proof',
        '*.client_assertion',
        '*.refresh_token',
      ],
      remove: true,
    },
  };
  // Whatever a library puts into its messages, the line is scrubbed as a whole before it leaves.
  return pino(options, { write: (line) => void destination.write(redact(line)) });
}
