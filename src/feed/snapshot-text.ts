import { rfc3339 } from '../clock.js';
import { encodeCursor, type LogCursor } from '../log/cursor.js';
import type { ListedCertificate, ListedThing } from './store.js';

/** A place in the log, and what has to be known beside the entries that follow. */
export type Snapshot = LogCursor & {
  certificates: AsyncIterable<ListedCertificate[]>;
  things: AsyncIterable<ListedThing[]>;
};

/** The answer of `GET /v1/revocations/snapshot`, written page by page: it is never in memory as a whole. */
export async function* snapshotText({ epoch, position, certificates, things }: Snapshot): AsyncGenerator<string> {
  const head = JSON.stringify({ epoch, position, cursor: encodeCursor({ epoch, position }) });
  yield `${head.slice(0, -1)},"certificates":[`;
  yield* elements(certificates, presentCertificate);
  yield '],"things":[';
  yield* elements(things, ({ thingName, status, minGen }) => ({ thingName, status, minGen }));
  yield ']}';
}

async function* elements<Row>(pages: AsyncIterable<Row[]>, present: (row: Row) => object): AsyncGenerator<string> {
  let comma = '';
  for await (const page of pages) {
    yield comma + page.map((row) => JSON.stringify(present(row))).join(',');
    comma = ',';
  }
}

function presentCertificate({ serialNumber, fingerprint, thingName, reason, revokedAt }: ListedCertificate): object {
  return {
    serialNumber,
    ...(fingerprint === null ? {} : { fingerprint }),
    ...(thingName === null ? {} : { thingName }),
    reason,
    revokedAt: rfc3339(revokedAt),
  };
}
