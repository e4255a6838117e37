import { pino, type Logger } from 'pino';

/** Where lines go that no request is behind. */
export type Tell = Record<'info' | 'warn' | 'error', (fields: object, message: string) => void>;

const shown = '[redacted]';
const shortestSecret = 20;

/** Text without credentials, tokens and private keys. Linear: what is logged may come from outside. */
export function redact(text: string): string {
  return withoutKeys(text).replace(/[A-Za-z0-9_.-]{20,}/g, redactRun);
}

/** A run of the letters that credentials have, cut where one begins. In JSON a line feed before it ends in a letter. */
function redactRun(run: string): string {
  const credential = run.search(/tw[ekr]_/);
  const jwt = run.indexOf('eyJ');
  const starts = [
    ...(credential >= 0 && run.length - credential >= shortestSecret ? [credential] : []),
    ...(jwt >= 0 && run.slice(jwt).split('.', 3).length === 3 ? [jwt] : []),
  ];
  return starts.length === 0 ? run : run.slice(0, Math.min(...starts)) + shown;
}

/** Text without PEM private keys; one without its end takes the rest of the text with it. */
function withoutKeys(text: string): string {
  const begin = /-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/g;
  const endLine = 'PRIVATE KEY-----';
  let out = '';
  let at = 0;
  for (let found = begin.exec(text); found; found = begin.exec(text)) {
    out += text.slice(at, found.index) + shown;
    const end = text.indexOf(endLine, begin.lastIndex);
    if (end < 0) return out;
    at = end + endLine.length;
    begin.lastIndex = at;
  }
  return out + text.slice(at);
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
