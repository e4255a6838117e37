import { AgentError, exitCodes, LaterError, UsageError } from './errors.js';

/** A failure as JSON, in place of its sentence: `--json` was given. */
function asJson({ message, code, exitCode }: AgentError): AgentError {
  const later = exitCode === exitCodes.later;
  const text = JSON.stringify({ error: message, ...(code === undefined ? {} : { code }), later });
  if (later) return new LaterError(text, code);
  return exitCode === exitCodes.usage ? new UsageError(text, code) : new AgentError(text, code);
}

/** A failure of this machine or of the server as an AgentError, with its next step. What is a bug stays as it is. */
export function asAgentError(error: unknown, { out, json }: { out: string; json?: true }): unknown {
  const known = error instanceof AgentError ? error : ofMachine(error, out);
  return known && json ? asJson(known) : (known ?? error);
}

const passing = new Set(['ENOSPC', 'EDQUOT', 'EIO', 'EMFILE', 'ENFILE', 'EAGAIN', 'EBUSY']);

/** What the system refused, such as a folder that cannot be written. */
function ofMachine(error: unknown, out: string): AgentError | undefined {
  const { code, syscall, message } = (error ?? {}) as NodeJS.ErrnoException;
  if (code === undefined || syscall === undefined) return undefined;
  const text = `${out} cannot be used (${message}): check who owns it and how much room there is, then run it again`;
  return passing.has(code) ? new LaterError(text) : new AgentError(text);
}
