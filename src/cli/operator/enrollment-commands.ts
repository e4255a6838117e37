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
  qr?: true;
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
    'thingward enrollments create --things pump-17 --policy telemetry --qr',
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
    .option('--qr', 'print the command as a QR code too, for a device with a camera')
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
  const { url, out } = session;
  const lines = onTheDevice(url, made.token, flags.things);
  const where = nameOf(flags.things) === placeholder ? `, with a NAME that matches ${flags.things}` : '';
  await out.write(`The enrollment ${made.id} is made. Its token is shown this once. On the device${where}:\n\n`);
  await out.write(`${lines.map((line) => `  ${line}\n`).join('')}`);
  if (!flags.qr) return;
  const { qrOf } = await import('../output/qr.js');
  await out.write(`\n${qrOf(lines.join('\n'), out.look)}`);
}

const placeholder = 'NAME';
const nameOf = (pattern: string): string => (/[*?]/.test(pattern) ? placeholder : pattern);

/** What to run on the device. The token is in a file there: arguments of a program can be read by others. */
function onTheDevice(url: string, token: string, pattern: string): string[] {
  const name = nameOf(pattern);
  return [
    `(umask 077; echo '${token}' > token.txt)`,
    `thingward agent provision --server ${url} --enrollment-file token.txt --name ${name} --out ./${name}`,
  ];
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
        await typeAgain(`This closes the enrollment ${id} ${what}.`, id.slice(0, 8), yes);
        const body = andThings ? { andThings } : {};
        await print(session, await session.client.post('/v1/enrollments/{id}/revoke', { path: { id: id }, body }));
      }),
    );
