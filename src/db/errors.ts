import { Prisma } from './generated/client.js';

/**
 * Whether a write failed for its data or for another's write meanwhile (SQLSTATE classes 22, 23 and 40), so
 * that it may go well alone or again. What the connection or the server itself did wrong is not that.
 */
export function isDataConflict(error: unknown): boolean {
  if (!(error instanceof Prisma.PrismaClientKnownRequestError)) return false;
  return ['P2002', 'P2003', 'P2034'].includes(error.code) || /Code: `(22|23|40)[0-9A-Z]{3}`/.test(error.message);
}

/** Whether a write failed because a unique index has its values already. */
export function isUniqueViolation(error: unknown): boolean {
  return error instanceof Prisma.PrismaClientKnownRequestError && error.code === 'P2002';
}
