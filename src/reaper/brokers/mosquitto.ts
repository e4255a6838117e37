import { z } from 'zod';
import { BrokerError, type Broker, type BrokerParts, type Provided } from './broker.js';
import { createDynsecLine, type Command, type Said } from './dynsec-line.js';
import { isSame, roleOf, rolePrefix, type Role } from './dynsec-roles.js';

// Clients with this name for people are the reaper's.
const mark = 'thingward';
const perPage = 200;

const clientShape = z.looseObject({
  username: z.string(),
  textname: z.string().optional(),
  disabled: z.boolean().optional(),
  roles: z.array(z.looseObject({ rolename: z.string() })).default([]),
  groups: z.array(z.unknown()).default([]),
});
const roleShape = z.looseObject({
  rolename: z.string(),
  acls: z
    .array(
      z.looseObject({ acltype: z.string(), topic: z.string(), priority: z.number().optional(), allow: z.boolean() }),
    )
    .default([]),
});
const clientPage = z.object({ totalCount: z.number(), clients: z.array(clientShape) });
const rolePage = z.object({ totalCount: z.number(), roles: z.array(roleShape) });
const defaults = z.object({ acls: z.array(z.object({ acltype: z.string(), allow: z.boolean() })) });

type FoundClient = z.output<typeof clientShape>;
type FoundRole = z.output<typeof roleShape>;

/**
 * Mosquitto, by its dynamic-security plugin: one role for each set of rights, and a client for each thing that may connect. To delete a
 * client ends its connections before the plugin answers; it lists no connections.
 */
export function createMosquitto(parts: BrokerParts): Broker {
  const line = createDynsecLine(parts);
  // What the plugin should have; undefined for whoever may not connect.
  const wanted = new Map<string, Role | undefined>();
  const made = new Set<string>();

  const must = async (commands: Command[], signal: AbortSignal, ...fine: string[]): Promise<Said[]> => {
    const found = await line.tell(commands, signal);
    found.forEach(({ error }, index) => {
      if (error !== undefined && !fine.includes(error)) throw new BrokerError(`${commands[index]!.command}: ${error}`);
    });
    return found;
  };

  const readAll = async <Page extends { totalCount: number }, Item>(
    command: string,
    shape: z.ZodType<Page>,
    itemsOf: (page: Page) => Item[],
    signal: AbortSignal,
  ): Promise<Item[]> => {
    const items: Item[] = [];
    for (;;) {
      const asked = { command, verbose: true, count: perPage, offset: items.length };
      const [said] = await must([asked], signal);
      const page = shape.safeParse(said!.data);
      if (!page.success) throw new BrokerError(`${command} answered what cannot be read`);
      const found = itemsOf(page.data);
      items.push(...found);
      if (items.length > parts.limits.sessions) throw new BrokerError(`${command}: more than ${parts.limits.sessions}`);
      if (found.length === 0 || items.length >= page.data.totalCount) return items;
    }
  };

  const makeRoles = async (roles: Iterable<Role>, signal: AbortSignal): Promise<void> => {
    const missing = [...new Map([...roles].map((role) => [role.rolename, role])).values()].filter(
      ({ rolename }) => !made.has(rolename),
    );
    await must(
      missing.map((role) => ({ command: 'createRole', ...role })),
      signal,
      'Role already exists',
    );
    for (const { rolename } of missing) made.add(rolename);
  };

  const rolesOf = ({ rolename }: Role) => [{ rolename, priority: 1 }];
  const creation = (username: string, role: Role): Command => ({
    command: 'createClient',
    username,
    textname: mark,
    roles: rolesOf(role),
  });
  const change = (username: string, role: Role): Command => ({
    command: 'modifyClient',
    username,
    textname: mark,
    roles: rolesOf(role),
    groups: [],
  });

  /** Puts users right. Whoever is right already is left alone: the plugin ends the connections of a client that it changes. */
  const put = async (usernames: readonly string[], signal: AbortSignal): Promise<void> => {
    await makeRoles(
      usernames.flatMap((username) => wanted.get(username) ?? []),
      signal,
    );
    const asked = usernames.map((username) => ({ command: 'getClient', username }));
    const found = await must(asked, signal, 'Client not found');
    const commands = usernames.flatMap((username, index): Command[] => {
      const shown = z.object({ client: clientShape }).safeParse(found[index]!.data);
      return mending(username, shown.success ? shown.data.client : undefined);
    });
    await must(commands, signal, 'Client already exists', 'Client not found');
  };

  /** What brings one client where it should be. */
  const mending = (username: string, client: FoundClient | undefined): Command[] => {
    const role = wanted.get(username);
    if (!role) return client ? [{ command: 'deleteClient', username }] : [];
    if (!client) return [creation(username, role)];
    if (isRight(client, role)) return [];
    return [change(username, role), ...(client.disabled ? [{ command: 'enableClient', username }] : [])];
  };

  const mendRoles = async (found: readonly FoundRole[], signal: AbortSignal): Promise<number> => {
    const needed = new Map([...wanted.values()].flatMap((role) => (role ? [[role.rolename, role] as const] : [])));
    const commands: Command[] = [];
    made.clear();
    for (const { rolename, acls } of found) {
      const role = needed.get(rolename);
      if (role) made.add(rolename);
      if (role && !isSame(role.acls, acls as Role['acls'])) commands.push({ command: 'modifyRole', ...role });
      if (!role && rolename.startsWith(rolePrefix)) commands.push({ command: 'deleteRole', rolename });
    }
    await makeRoles(needed.values(), signal);
    await must(commands, signal, 'Role not found');
    return commands.filter(({ command }) => command === 'modifyRole').length;
  };

  const mendClients = async (found: readonly FoundClient[], signal: AbortSignal): Promise<number> => {
    const there = new Map(found.map((client) => [client.username, client]));
    const commands: Command[] = [];
    for (const username of wanted.keys()) commands.push(...mending(username, there.get(username)));
    for (const { username, textname } of found)
      if (textname === mark && !wanted.has(username)) commands.push({ command: 'deleteClient', username });
    await must(commands, signal, 'Client already exists', 'Client not found');
    return commands.length;
  };

  const mendDefaults = async (signal: AbortSignal): Promise<number> => {
    const [said] = await must([{ command: 'getDefaultACLAccess' }], signal);
    const { acls } = defaults.parse(said!.data);
    const open = acls.filter(({ acltype, allow }) => allow && acltype !== 'unsubscribe');
    if (open.length === 0) return 0;
    await must(
      [{ command: 'setDefaultACLAccess', acls: open.map(({ acltype }) => ({ acltype, allow: false })) }],
      signal,
    );
    return open.length;
  };

  return {
    isBlind: true,
    lagMs: 0,
    async *sessions() {},
    sessionsOf: async () => [],

    async bar(user) {
      wanted.set(user, undefined);
    },

    /** Whoever is connected by this name leaves, also one whom the plugin does not know: it is made known first. */
    async end(user, signal) {
      const role = wanted.get(user);
      await must(
        [
          { command: 'createClient', username: user, textname: mark },
          { command: 'deleteClient', username: user },
          ...(role ? [creation(user, role)] : []),
        ],
        signal,
        'Client already exists',
      );
    },

    async provide(users: readonly Provided[], isWhole, signal) {
      if (isWhole) wanted.clear();
      const before = new Map(wanted);
      for (const { user, list } of users) wanted.set(user, list && roleOf(list));
      if (!isWhole) {
        const isNew = ({ user }: Provided): boolean =>
          !before.has(user) || before.get(user)?.rolename !== wanted.get(user)?.rolename;
        await put(
          users.filter(isNew).map(({ user }) => user),
          signal,
        );
        return 0;
      }
      const found = await readAll('listClients', clientPage, ({ clients }) => clients, signal);
      const roles = await readAll('listRoles', rolePage, ({ roles: some }) => some, signal);
      const mended = (await mendDefaults(signal)) + (await mendRoles(roles, signal));
      return mended + (await mendClients(found, signal));
    },

    async check(signal) {
      await must([{ command: 'getDefaultACLAccess' }], signal);
      return 'the dynamic-security plugin answers';
    },
    close: line.close,
  };
}

function isRight({ textname, disabled, roles, groups }: FoundClient, role: Role): boolean {
  const names = roles.map(({ rolename }) => rolename);
  return textname === mark && !disabled && groups.length === 0 && names.length === 1 && names[0] === role.rolename;
}
