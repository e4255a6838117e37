import { type Command, Option } from 'commander';
import { acting, branch, leaf, print } from './leaf.js';
import { listing, listLeaf, pick } from './lists.js';
import { thingReasons } from './thing-commands.js';

/** Why a certificate is revoked: as a thing, or a hold, which can be released. */
const reasons = [...thingReasons, 'superseded', 'certificateHold'] as const;

const statuses = ['active', 'held', 'superseded', 'revoked', 'expired'] as const;
type Filters = { thing?: string; status?: (typeof statuses)[number]; expiringBefore?: string };

const columns = [
  ['SERIAL NUMBER', 'serialNumber'],
  ['THING', 'thingName'],
  ['STATUS', 'status'],
  ['REASON', 'reason'],
  ['NOT AFTER', 'notAfter'],
] as const;

/** `thingward certificates`. */
export function certificateCommands(): Command {
  return branch('certificates', 'the certificates of things', list(), show(), revoke(), release());
}

const numbered = (name: string, description: string, example: string): Command =>
  leaf(name, description, `thingward certificates ${example}`).argument('<serial>', 'the serial number');

const list = (): Command =>
  listLeaf('list certificates', 'thingward certificates list --thing pump-17')
    .option('--thing <name>', 'of a thing')
    .addOption(new Option('--status <status>', 'with a status').choices(statuses))
    .option('--expiring-before <time>', 'that end before a time, such as 2027-01-01T00:00:00Z')
    .action(
      listing<Filters>({
        columns,
        items: ({ client }, flags) =>
          client.each('/v1/certificates', { query: pick(flags, 'thing', 'status', 'expiringBefore') }),
      }),
    );

const serial = '0a1b2c3d4e5f60718293a4b5c6d7e8f901234567';

const show = (): Command =>
  numbered('show', 'show a certificate', `show ${serial}`).action(
    acting(async (session, _flags, serialNumber) =>
      print(
        session,
        await session.client.get('/v1/certificates/{serialNumber}', { path: { serialNumber: serialNumber } }),
      ),
    ),
  );

const revoke = (): Command =>
  numbered('revoke', 'revoke one certificate; with certificateHold it can be released', `revoke ${serial}`)
    .addOption(new Option('--reason <reason>', 'why').choices(reasons))
    .option('-y, --yes', 'do not ask: for programs, which have no terminal')
    .action(
      acting<{ reason?: (typeof reasons)[number]; yes?: true }>(async (session, flags, serialNumber) => {
        const { typeAgain } = await import('../session/ask.js');
        const { reason = 'unspecified', yes } = flags;
        await typeAgain(`This revokes the certificate ${serialNumber}.`, serialNumber.slice(0, 8), yes);
        const asked = { path: { serialNumber: serialNumber }, body: { reason } };
        await print(session, await session.client.post('/v1/certificates/{serialNumber}/revoke', asked));
      }),
    );

const release = (): Command =>
  numbered('release', 'end the hold of a certificate', `release ${serial}`).action(
    acting(async (session, _flags, serialNumber) =>
      print(
        session,
        await session.client.post('/v1/certificates/{serialNumber}/release', {
          path: { serialNumber: serialNumber },
        }),
      ),
    ),
  );
