import type { Command } from 'commander';
import type { Column } from '../output/cells.js';
import { acting, leaf, wholeNumber } from './leaf.js';
import type { Session } from '../session/session.js';

type ListFlags = { limit?: number; watch?: number | true };

/** A list: the flags that lists have, and what asks the server for its items. */
export type Listing<Flags> = {
  columns: readonly Column[];
  items(session: Session, flags: Flags, ...args: string[]): AsyncIterable<unknown>;
};

const watchSeconds = 2;
const clear = '\u001B[H\u001B[2J\u001B[3J';

/** A command `list` with `--limit` and `--watch`. */
export function listLeaf(description: string, ...examples: string[]): Command {
  return leaf('list', description, ...examples)
    .option('--limit <n>', 'no more than so many', wholeNumber)
    .option('-w, --watch [seconds]', `show it again and again, every ${watchSeconds} seconds`, wholeNumber);
}

/** The action of a list. */
export const listing = <Flags extends object>({ columns, items }: Listing<Flags>) =>
  acting<Flags & ListFlags>(async (session, flags, ...args) => {
    const { writeList } = await import('../output/output.js');
    const once = () => writeList(session.out, atMost(items(session, flags, ...args), flags.limit), columns);
    if (flags.watch === undefined) return once();
    const seconds = flags.watch === true ? watchSeconds : Math.max(1, flags.watch);
    for (;;) {
      if (session.out.look.width !== undefined) await session.out.write(clear);
      await once();
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    }
  });

async function* atMost(items: AsyncIterable<unknown>, limit: number | undefined): AsyncGenerator<unknown> {
  if (limit === 0) return;
  let count = 0;
  for await (const item of items) {
    yield item;
    if (++count === limit) return;
  }
}

/** The flags of a command that the server knows as parameters of its query. */
export function pick<Flags extends object, Name extends keyof Flags>(
  flags: Flags,
  ...names: Name[]
): Pick<Flags, Name> {
  const given = names.filter((name) => flags[name] !== undefined);
  return Object.fromEntries(given.map((name) => [name, flags[name]])) as Pick<Flags, Name>;
}
