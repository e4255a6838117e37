import type pg from 'pg';

// What says it in any language: the place in the source of PostgreSQL that sends the warning.
const place = 'SyncRepWaitForLSN';

type Answer = (error: Error | null, result?: unknown) => void;

/**
 * Makes a statement fail whose commit did not wait for the standby to the end. PostgreSQL reports that as a warning alone, and the statement
 * as done (`synchronous_commit`, "canceling wait for synchronous replication").
 */
export function requireReplicated(connection: pg.ClientBase): void {
  let cancelled = false;
  connection.on('notice', ({ routine }) => (cancelled ||= routine === place));
  // Answers come in the order of the statements, and each warning before the answer of its statement.
  const failure = (): Error | undefined => {
    const error = cancelled ? unreplicated() : undefined;
    cancelled = false;
    return error;
  };
  const query = connection.query.bind(connection) as (...given: unknown[]) => unknown;
  const judged = (...given: unknown[]): unknown => {
    const answer = given.at(-1);
    if (typeof answer === 'function') {
      const last: Answer = (error, result) => {
        const failed = error ?? failure();
        (answer as Answer)(failed ?? null, failed ? undefined : result);
      };
      return query(...given.slice(0, -1), last);
    }
    const answered = query(...given);
    return answered instanceof Promise ? answered.then((result: unknown) => throwOr(failure(), result)) : answered;
  };
  connection.query = judged as typeof connection.query;
}

function throwOr<Result>(error: Error | undefined, result: Result): Result {
  if (error) throw error;
  return result;
}

/** With the SQLSTATE of a statement that was cancelled. */
const unreplicated = (): Error =>
  Object.assign(new Error('the commit was not confirmed by the standby'), { code: '57014', severity: 'ERROR' });
