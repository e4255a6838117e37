import type { Command } from 'commander';
import { acting, branch, leaf, wholeNumber } from './leaf.js';
import { listing, listLeaf, pick } from './lists.js';
import type { Session } from '../session/session.js';

type AuditFilters = { actor?: string; action?: string; target?: string; from?: string; to?: string };

const auditColumns = [
  ['AT', 'at'],
  ['ACTOR', 'actor'],
  ['ACTION', 'action'],
  ['TARGET', 'target'],
  ['FROM', 'sourceIp'],
] as const;
const feedColumns = [
  ['POSITION', 'position'],
  ['AT', 'at'],
  ['TYPE', 'type'],
  ['THING', 'thingName'],
  ['SERIAL NUMBER', 'serialNumber'],
] as const;
const edgeColumns = [
  ['ID', 'id'],
  ['NAME', 'name'],
  ['MODE', 'mode'],
  ['STALE', 'stale'],
  ['CONFIRMED', 'confirmedAt'],
  ['POSITION', 'position'],
  ['ENFORCED', 'enforced'],
] as const;

const everyMs = 2000;
const page = 1000;

/** `thingward edges`, `thingward audit` and `thingward watch`. */
export function watchingCommands(): Command[] {
  return [
    branch(
      'edges',
      'the edges and proxies that follow the server',
      listLeaf('list edges and how far they have applied changes', 'thingward edges list --watch').action(
        listing({ columns: edgeColumns, items: ({ client }) => client.each('/v1/proxies') }),
      ),
    ),
    branch('audit', 'who did what', auditList(), auditTail(), auditExport()),
    leaf('watch', 'show each revocation and change as it happens', 'thingward watch', 'thingward watch -o json')
      .option('--for <seconds>', 'end after so long', wholeNumber)
      .action(acting<{ for?: number }>((session, flags) => follow(session, flags.for, feedColumns, revocations()))),
  ];
}

const filtered = (command: Command): Command =>
  command
    .option('--actor <actor>', 'by an actor')
    .option('--action <action>', 'of an action, such as thing.revoke')
    .option('--target <target>', 'of a target, such as thing:pump-17')
    .option('--from <time>', 'from a time on')
    .option('--to <time>', 'before a time');

const filtersOf = (flags: AuditFilters) => pick(flags, 'actor', 'action', 'target', 'from', 'to');

const auditList = (): Command =>
  filtered(listLeaf('list the audit, newest first', 'thingward audit list --limit 20')).action(
    listing<AuditFilters>({
      columns: auditColumns,
      items: ({ client }, flags) => client.each('/v1/audit', { query: filtersOf(flags) }),
    }),
  );

const auditTail = (): Command =>
  filtered(leaf('tail', 'show the audit as it grows', 'thingward audit tail'))
    .option('--for <seconds>', 'end after so long', wholeNumber)
    .action(
      acting<AuditFilters & { for?: number }>(async (session, flags) => {
        const latest = await session.client.get('/v1/audit', { query: { limit: 1 } });
        let after = latest.items[0]?.id ?? '0';
        await follow(session, flags.for, auditColumns, async ({ client }) => {
          const { items } = await client.get('/v1/audit', { query: { ...filtersOf(flags), after, limit: page } });
          after = items.at(-1)?.id ?? after;
          return items;
        });
      }),
    );

const auditExport = (): Command =>
  filtered(
    leaf('export', 'print the audit as JSON lines, oldest first', 'thingward audit export > audit.jsonl'),
  ).action(
    acting<AuditFilters>(async ({ client, out }, flags) => {
      // Page by page, because the client holds an answer whole.
      for (let after = '0'; ;) {
        const { items } = await client.get('/v1/audit', { query: { ...filtersOf(flags), after, limit: page } });
        for (const item of items) await out.write(`${JSON.stringify(item)}\n`);
        const last = items.at(-1)?.id;
        if (last === undefined) return;
        after = last;
      }
    }),
  );

/** What the feed has had since it was last asked. The first time only its place is found. */
function revocations(): Source {
  let after: string | undefined;
  return async ({ client }) => {
    const isFirst = after === undefined;
    for (;;) {
      const query = { limit: page, ...(after === undefined ? {} : { after }) };
      const { entries, cursor, next } = await client.get('/v1/revocations', { query });
      after = cursor;
      if (!isFirst) return entries;
      if (next === undefined) return [];
    }
  };
}

type Source = (session: Session) => Promise<unknown[]>;

/** Writes what comes: JSON lines for programs, lines of a table for people. */
async function follow(
  session: Session,
  seconds: number | undefined,
  columns: readonly (readonly [string, string])[],
  source: Source,
): Promise<void> {
  const { tableOf } = await import('../output/table.js');
  const ends = seconds === undefined ? Infinity : performance.now() + seconds * 1000;
  do {
    const items = await source(session);
    if (session.out.format === 'table') {
      const { lines } = tableOf(items, columns, session.out.look);
      for (const line of lines) await session.out.write(`${line}\n`);
    } else for (const item of items) await session.out.write(`${JSON.stringify(item)}\n`);
    if (items.length === 0) await new Promise((resolve) => setTimeout(resolve, everyMs));
  } while (performance.now() < ends);
}
