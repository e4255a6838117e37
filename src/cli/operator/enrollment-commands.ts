import type { Command } from 'commander';
import { acting, attribute, branch, leaf, print, several, wholeNumber } from './leaf.js';
import { listing, listLeaf, pick } from './lists.js';
import type { Session } from '../session/session.js';

type NewFlags = {
  policy: string[];
  things: string;
  uses?: number;
  thingType?: string;
  expires?: string;
  source?: string[];
  attribute?: Record<string, string>;
  deviceAttribute?: string[];
  segment?: string;
  approval?: true;
};

const columns = [
  ['ID', 'id'],
  ['STATUS', 'status'],
  ['THINGS', 'thingNamePattern'],
  ['POLICIES', 'policies'],
  ['USES', 'uses'],
  ['OF', 'maxUses'],
  ['EXPIRES', 'expiresAt'],
] as const;

/** `thingward enrollments`. */
export function enrollmentCommands(): Command {
  return branch('enrollments', 'who may make things', list(), create(), revoke());
}

const list = (): Command =>
  listLeaf('list enrollments', 'thingward enrollments list').action(
    listing({ columns, items: ({ client }) => client.each('/v1/enrollments') }),
  );

const create = (): Command =>
  leaf(
    'create',
    'make an enrollment, and print the command for the device',
    "thingward enrollments create --things 'pump-*' --policy telemetry --uses 100",
  )
    .requiredOption('--things <pattern>', 'the names that things may have, with * and ?')
    .requiredOption('--policy <name>', 'a policy that they get; several times for several', several)
    .option('--uses <n>', 'how many things it makes; 1 by default', wholeNumber)
    .option('--thing-type <type>', 'the type of the things')
    .option('--expires <time>', 'until when, or never; 30 days by default')
    .option('--source <cidr>', 'from where; several times for several', several)
    .option('--attribute <name=value>', 'an attribute of the things; several times for several', attribute)
    .option('--device-attribute <name>', 'an attribute that devices set; several times for several', several)
    .option('--segment <name>', 'the segment of the things')
    .option('--approval', 'wait for somebody who approves each device')
    .action(acting<NewFlags>(make));

async function make(session: Session, flags: NewFlags): Promise<void> {
  const made = await session.client.post('/v1/enrollments', {
    body: {
      policies: flags.policy,
      thingNamePattern: flags.things,
      maxUses: flags.uses ?? 1,
      ...pick(flags, 'thingType', 'segment'),
      ...(flags.expires === undefined ? {} : { expiresAt: flags.expires }),
      ...(flags.source === undefined ? {} : { sourceCidrs: flags.source }),
      ...(flags.attribute === undefined ? {} : { attributes: flags.attribute }),
      ...(flags.deviceAttribute === undefined ? {} : { deviceAttributes: flags.deviceAttribute }),
      ...(flags.approval ? { approval: 'required' as const } : {}),
    },
  });
  if (session.out.format !== 'table') return print(session, made);
  await session.out.write(onTheDevice(session.url, made, flags.things));
}

/** What to run on the device. The token is in a file there: arguments of a program can be read by others. */
function onTheDevice(url: string, { id, token }: { id: string; token: string }, pattern: string): string {
  const name = /[*?]/.test(pattern) ? 'NAME' : pattern;
  return [
    `The enrollment ${id} is made. Its token is shown this once. On the device${name === 'NAME' ? `, with a NAME that matches ${pattern}` : ''}:`,
    '',
    `  (umask 077; echo '${token}' > token.txt)`,
    `  thingward agent provision --server ${url} --enrollment-file token.txt --name ${name} --out ./${name}`,
    '',
  ].join('\n');
}

const revoke = (): Command =>
  leaf('revoke', 'close an enrollment', 'thingward enrollments revoke 0b0cdbb4-4fbc-4c1f-9f6f-0d9c6b6f7a11')
    .argument('<id>', 'its id')
    .option('--and-things', 'revoke the things that it made too')
    .option('-y, --yes', 'do not ask: for programs, which have no terminal')
    .action(
      acting<{ andThings?: true; yes?: true }>(async (session, { andThings, yes }, id) => {
        const { typeAgain } = await import('../session/ask.js');
        const what = andThings ? 'and revokes every thing that it made' : 'for ever';
        await typeAgain(`This closes the enrollment ${id} ${what}.`, id!.slice(0, 8), yes);
        const body = andThings ? { andThings } : {};
        await print(session, await session.client.post('/v1/enrollments/{id}/revoke', { path: { id: id! }, body }));
      }),
    );
