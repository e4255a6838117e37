import type { Command } from 'commander';
import type { ApplyFlags } from '../configuration/apply.js';
import { acting, branch, leaf, print } from './leaf.js';
import { listing, listLeaf } from './lists.js';

const columns = [
  ['NAME', 'name'],
  ['QUERY', 'query'],
  ['CHANGED', 'changedAt'],
  ['MADE BY', 'createdBy'],
] as const;

/** `thingward groups`. */
export function groupCommands(): Command {
  return branch('groups', 'questions about things that have a name', list(), show(), apply(), remove());
}

const list = (): Command =>
  listLeaf('list groups', 'thingward groups list').action(
    listing({ columns, items: ({ client }) => client.each('/v1/groups') }),
  );

const show = (): Command =>
  leaf('show', 'show a group; things list --group shows what is in it', 'thingward groups show oslo-pumps -o yaml')
    .argument('<name>', 'its name')
    .action(
      acting(async (session, _flags, name) =>
        print(session, await session.client.get('/v1/groups/{name}', { path: { name } })),
      ),
    );

const apply = (): Command =>
  leaf(
    'apply',
    'make the groups of a folder those of the server: shows the difference, asks, then changes',
    'thingward groups apply -f groups/',
    'thingward groups apply -f account/ --dry-run',
  )
    .requiredOption(
      '-f, --file <path>',
      'a folder with a group in each .json or .yaml file, one such file, or a folder of thingward export',
    )
    .option('--dry-run', 'change nothing; the exit code is 1 if there is a difference')
    .option('-y, --yes', 'do not ask: for programs, which have no terminal')
    .action(
      acting<ApplyFlags & { file: string }>(async (session, { file, ...flags }) => {
        const { applyFiles } = await import('../configuration/apply.js');
        const { placesIn } = await import('../configuration/export.js');
        const { isThere } = await import('../configuration/files.js');
        const { groups } = await import('../configuration/kinds.js');
        const inside = placesIn(file, [groups]).filter(({ path }) => isThere(path));
        await applyFiles(session, inside.length > 0 ? inside : [{ kind: groups, path: file }], flags);
      }),
    );

const remove = (): Command =>
  leaf('delete', 'delete a group; its things stay as they are', 'thingward groups delete oslo-pumps')
    .argument('<name>', 'its name')
    .option('-y, --yes', 'do not ask: for programs, which have no terminal')
    .action(
      acting<{ yes?: true }>(async (session, { yes }, name) => {
        const { typeAgain } = await import('../session/ask.js');
        await typeAgain(`This deletes the group ${name}.`, name, yes);
        await session.client.delete('/v1/groups/{name}', { path: { name } });
        await print(session, { name, deleted: true });
      }),
    );
