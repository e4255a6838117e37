/** Says that a journal takes no more: the disk is full, or its own bound is reached. What was to be kept is not there. */
export class JournalFullError extends Error {
  override readonly name = 'JournalFullError';
}

const fullCodes: ReadonlySet<string | undefined> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** The error that says what a failed write means to whoever wanted to keep something. */
export function writeError(error: unknown, folder: string): Error {
  if (!fullCodes.has((error as NodeJS.ErrnoException).code)) return error as Error;
  return new JournalFullError(`${folder}: the disk is full`, { cause: error });
}
