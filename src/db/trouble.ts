/** What an adapter says of its driver's error. */
type AdapterCause = { kind?: unknown; originalCode?: unknown };

/** What the database layer throws, as far as it is read here: Prisma's errors, its adapters', their driver's, and those of sockets. */
type Thrown = {
  code?: unknown;
  name?: unknown;
  message?: unknown;
  cause?: AdapterCause;
  meta?: { driverAdapterError?: { cause?: AdapterCause } };
};

// Prisma's connection errors and transactions that got no connection in time, and the errors of the socket itself.
const codes = new Set([
  ...['P1001', 'P1002', 'P1003', 'P1008', 'P1010', 'P1011', 'P1017', 'P2024', 'P2028', 'P2034', 'P2037'],
  ...['ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'EPIPE', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'],
]);

// The same, as adapters name it under any code of Prisma (raw queries are all P2010).
const kinds = new Set([
  ...['DatabaseNotReachable', 'ConnectionClosed', 'SocketTimeout', 'TlsConnectionError', 'TooManyConnections'],
  ...['TransactionWriteConflict', 'DatabaseDoesNotExist', 'DatabaseAccessDenied', 'AuthenticationFailed'],
]);

/**
 * SQLSTATE of a server that cannot do its work now: a lost connection (08), no resources (53), stopped or cancelled
 * by an operator (57), trouble of its machine (58), transactions that have to be repeated (40), locks that were not given in
 * time (55P03). A standby takes no writes (25006), and gives no places of the log (55000).
 */
const states = /^(08|53|57|58|40)[0-9A-Z]{3}$|^(25006|55000|55P03)$/;

// What node-postgres and PGlite say in words alone.
const words =
  /^(Connection terminated|Connection ended|timeout exceeded when trying to connect|Client (was closed|has encountered a connection error)|Cannot use a pool after calling end|PGlite is (closed|closing)|Query read timeout|Transaction (already closed|not found))/;

/** Whether the database kept a request from being answered, rather than the request or this program. */
export function isDatabaseTrouble(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false;
  const { code, name, message, meta, cause } = error as Thrown;
  if (codes.has(String(code)) || name === 'PrismaClientInitializationError') return true;
  // What ends a transaction, COMMIT and ROLLBACK, is thrown as the adapter has it, and some of the driver's as it is.
  if (states.test(String(code))) return true;
  const { kind, originalCode } = meta?.driverAdapterError?.cause ?? cause ?? {};
  if (kinds.has(String(kind)) || states.test(String(originalCode))) return true;
  return typeof message === 'string' && words.test(message);
}
