import { type Command, Option } from 'commander';
import { acting, branch, leaf, print } from './leaf.js';
import { listing, listLeaf, pick } from './lists.js';

/** Why a thing is revoked, as the API names it. */
export const thingReasons = [
  'unspecified',
  'keyCompromise',
  'affiliationChanged',
  'cessationOfOperation',
  'privilegeWithdrawn',
] as const;

type Reason = (typeof thingReasons)[number];
type Filters = {
  search?: string;
  namePrefix?: string;
  thingType?: string;
  status?: 'active' | 'suspended' | 'revoked' | 'deleted';
  policy?: string;
  segment?: string;
  enrollment?: string;
  group?: string;
  query?: string;
};

const filters = [
  'search',
  'namePrefix',
  'thingType',
  'status',
  'policy',
  'segment',
  'enrollment',
  'group',
  'query',
] as const;

const columns = [
  ['NAME', 'name'],
  ['STATUS', 'status'],
  ['TYPE', 'thingType'],
  ['SEGMENT', 'segment'],
  ['POLICIES', 'policies'],
  ['LAST SEEN', 'lastSeenAt'],
  ['CREATED', 'createdAt'],
] as const;

/** `thingward things`. */
export function thingCommands(): Command {
  return branch('things', 'the things of the account', list(), show(), suspend(), resume(), revoke(), reenroll());
}

const named = (name: string, description: string, example: string): Command =>
  leaf(name, description, `thingward things ${example}`).argument('<name>', 'the name of the thing');

const list = (): Command =>
  listLeaf(
    'list things',
    'thingward things list --status active',
    "thingward things list --query 'type = pump and certificate.notAfter < 30d' -o csv",
  )
    .option('--search <text>', 'whose name contains a text')
    .option('--name-prefix <text>', 'whose name begins with a text')
    .option('--thing-type <type>', 'of a type')
    .addOption(new Option('--status <status>', 'with a status').choices(['active', 'suspended', 'revoked', 'deleted']))
    .option('--policy <name>', 'with a policy')
    .option('--segment <name>', 'in a segment')
    .option('--enrollment <id>', 'made by an enrollment')
    .option('--group <name>', 'in a group')
    .option('--query <text>', 'of which this is true, see docs/groups.md')
    .action(
      listing<Filters>({
        columns,
        items: ({ client }, flags) =>
          client.each('/v1/things', {
            query: pick(flags, ...filters),
          }),
      }),
    );

const show = (): Command =>
  named('show', 'show a thing', 'show pump-17').action(
    acting(async (session, _flags, name) =>
      print(session, await session.client.get('/v1/things/{name}', { path: { name: name } })),
    ),
  );

const suspend = (): Command =>
  named('suspend', 'refuse a thing until it is resumed', 'suspend pump-17').action(
    acting(async (session, _flags, name) =>
      print(session, await session.client.post('/v1/things/{name}/suspend', { path: { name: name } })),
    ),
  );

const resume = (): Command =>
  named('resume', 'end a suspension', 'resume pump-17').action(
    acting(async (session, _flags, name) =>
      print(session, await session.client.post('/v1/things/{name}/resume', { path: { name: name } })),
    ),
  );

const reasonFlag = () => new Option('--reason <reason>', 'why').choices(thingReasons);

const revoke = (): Command =>
  named('revoke', 'revoke a thing and all its certificates permanently', 'revoke pump-17 --reason keyCompromise')
    .addOption(reasonFlag())
    .option('-y, --yes', 'do not ask: for programs, which have no terminal')
    .action(
      acting<{ reason?: Reason; yes?: true }>(async (session, { reason = 'unspecified', yes }, name) => {
        const { typeAgain } = await import('../session/ask.js');
        await typeAgain(`This revokes the thing ${name} permanently.`, name, yes);
        const asked = { path: { name: name }, body: { reason } };
        await print(session, await session.client.post('/v1/things/{name}/revoke', asked));
      }),
    );

const reenroll = (): Command =>
  named('reenroll', 'print a token with which the thing gets another certificate', 'reenroll pump-17')
    .addOption(reasonFlag())
    .action(
      acting<{ reason?: Reason }>(async (session, flags, name) => {
        const asked = { path: { name: name }, body: pick(flags, 'reason') };
        await print(session, await session.client.post('/v1/things/{name}/reenroll', asked));
      }),
    );
