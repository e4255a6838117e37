import { type Command, Option } from 'commander';
import { plain } from '../output/cells.js';
import { exitCodes, OperatorError } from '../session/errors.js';
import { acting, leaf, print, several } from './leaf.js';
import { pick } from './lists.js';
import type { Session } from '../session/session.js';
import { thingReasons } from './thing-commands.js';

type Question = { sourceIp?: string; protocol?: string; clientId?: string };
type Radius = {
  thing?: string[];
  policy?: string;
  enrollment?: string;
  issuedBefore?: string;
  reason?: (typeof thingReasons)[number];
  dryRun?: true;
  yes?: true;
};

const runningMs = 1000;

/** `thingward authorize` and `thingward revoke`. */
export function decidingCommands(): Command[] {
  return [authorize(), revoke()];
}

const authorize = (): Command =>
  leaf(
    'authorize',
    'ask whether a thing may do something; the exit code is 1 if not',
    'thingward authorize pump-17 publish topic:pumps/pump-17',
  )
    .argument('<thing>', 'the name of the thing')
    .argument('<action>', 'such as publish')
    .argument('<resource>', 'such as topic:pumps/pump-17')
    .option('--source-ip <address>', 'from which address')
    .option('--protocol <protocol>', 'by which protocol')
    .option('--client-id <id>', 'with which client id')
    .action(
      acting<Question>(async (session, flags, thingName, action, resource) => {
        const context = pick(flags, 'sourceIp', 'protocol', 'clientId');
        const body = { principal: { thingName: thingName }, action: action, resource: resource, context };
        const decision = await session.client.post('/v1/authorize', { body });
        await print(session, decision);
        if (decision.decision !== 'allow') process.exitCode = exitCodes.difference;
      }),
    );

const revoke = (): Command =>
  leaf(
    'revoke',
    'revoke the certificates of many things: shows how many, asks, then revokes',
    'thingward revoke --thing pump-17 --thing pump-18 --reason keyCompromise',
    'thingward revoke --policy telemetry --dry-run',
  )
    .option('--thing <name>', 'of a thing; several times for several', several)
    .option('--policy <name>', 'of things with a policy')
    .option('--enrollment <id>', 'of things that an enrollment made')
    .option('--issued-before <time>', 'issued before a time')
    .addOption(new Option('--reason <reason>', 'why').choices(thingReasons))
    .option('--dry-run', 'count them, and revoke nothing')
    .option('-y, --yes', 'do not ask: for programs, which have no terminal')
    .action(acting<Radius>(revokeMany));

async function revokeMany(session: Session, flags: Radius): Promise<void> {
  const { client, out } = session;
  const { reason = 'unspecified' } = flags;
  const filter = {
    ...pick(flags, 'policy', 'enrollment', 'issuedBefore'),
    ...(flags.thing === undefined ? {} : { thingNames: flags.thing }),
  };
  const [word] = [...(flags.thing ?? []), flags.policy, flags.enrollment, flags.issuedBefore].filter(Boolean);
  if (word === undefined)
    throw new OperatorError('say which certificates: --thing, --policy, --enrollment or --issued-before');
  const preview = await client.post('/v1/revocations/bulk', { body: { filter, reason, dryRun: true } });
  if (!('count' in preview)) throw new OperatorError('the server gave no preview: nothing was changed', 3);
  if (flags.dryRun) return print(session, preview);
  if (out.format === 'table') await out.write(radiusOf(preview));
  const { typeAgain } = await import('../session/ask.js');
  await typeAgain(`This revokes ${preview.count} certificates permanently.`, word, flags.yes);
  const started = await client.post('/v1/revocations/bulk', {
    body: { filter, reason, expectedCount: preview.count },
  });
  if ('id' in started) await print(session, await untilDone(session, started.id));
}

function radiusOf({ count, things, sample }: { count: number; things: number; sample: object[] }): string {
  const names = sample.map((each) => plain(String((each as { thingName?: unknown }).thingName))).slice(0, 10);
  return `${count} certificates of ${things} things, such as ${names.join(', ')}\n`;
}

/** Waits for the work of the server, and says how far it is. */
async function untilDone({ client }: Session, id: string) {
  for (;;) {
    const bulk = await client.get('/v1/revocations/bulk/{id}', { path: { id } });
    process.stderr.write(`${bulk.revoked} of ${bulk.expectedCount} revoked\n`);
    if (bulk.status === 'done') return bulk;
    await new Promise((resolve) => setTimeout(resolve, runningMs));
  }
}
