import { type Command, Option } from 'commander';
import { acting, attribute, branch, leaf, print, several } from './leaf.js';
import { listing, listLeaf, pick } from './lists.js';

type Approval = { name?: string; attribute?: Record<string, string>; policy?: string[] };

const columns = [
  ['ID', 'id'],
  ['STATUS', 'status'],
  ['NAME', 'name'],
  ['KEY', 'keyFingerprint'],
  ['FROM', 'sourceIp'],
  ['SEEN', 'timesSeen'],
  ['LAST SEEN', 'lastSeenAt'],
] as const;

const id = '0b0cdbb4-4fbc-4c1f-9f6f-0d9c6b6f7a11';

/** `thingward waiting`. */
export function waitingCommands(): Command {
  return branch(
    'waiting',
    'devices that wait for approval',
    listLeaf('list the devices that wait, and those decided', 'thingward waiting list --status waiting')
      .option('--enrollment <id>', 'of an enrollment')
      .addOption(new Option('--status <status>', 'with a status').choices(['waiting', 'approved', 'denied']))
      .action(
        listing<{ enrollment?: string; status?: 'waiting' | 'approved' | 'denied' }>({
          columns,
          items: ({ client }, flags) => client.each('/v1/waiting', { query: pick(flags, 'enrollment', 'status') }),
        }),
      ),
    leaf('approve', 'give a device its identity', `thingward waiting approve ${id}`)
      .argument('<id>', 'its id')
      .option('--name <name>', 'another name')
      .option('--attribute <name=value>', 'an attribute; several times for several', attribute)
      .option('--policy <name>', 'a policy, of those of the enrollment; several times for several', several)
      .action(
        acting<Approval>(async (session, { name, attribute: attributes, policy: policies }, each) => {
          const body = pick({ name, attributes, policies }, 'name', 'attributes', 'policies') as object;
          await print(session, await session.client.post('/v1/waiting/{id}/approve', { path: { id: each }, body }));
        }),
      ),
    leaf('deny', 'refuse a device', `thingward waiting deny ${id} --reason 'unknown device'`)
      .argument('<id>', 'its id')
      .requiredOption('--reason <text>', 'why: the device is told')
      .action(
        acting<{ reason: string }>(async (session, { reason }, each) => {
          const asked = { path: { id: each }, body: { reason } };
          await print(session, await session.client.post('/v1/waiting/{id}/deny', asked));
        }),
      ),
  );
}
