import { Argument, type Command, Option } from 'commander';
import { acting, attribute, branch, leaf, print, several, wholeNumber } from './leaf.js';
import { listing, listLeaf, pick } from './lists.js';
import type { Act, NewCampaignFlags } from '../campaigns/begin.js';

const acts = ['renew', 'attach', 'detach', 'set-attributes'] as const;
const states = ['waiting', 'asked', 'done', 'failed', 'skipped'] as const;
const id = '7d0c4f0e-6f0b-4b57-9a53-3f4c6d2b8e11';

const columns = [
  ['ID', 'id'],
  ['STATUS', 'status'],
  ['DO', 'do'],
  ['GROUP', 'group'],
  ['WAVE', 'wave'],
  ['THINGS', 'things'],
  ['REASON', 'reason'],
  ['CREATED', 'createdAt'],
] as const;

const thingColumns = [
  ['THING', 'thingName'],
  ['WAVE', 'wave'],
  ['STATE', 'state'],
  ['REASON', 'reason'],
] as const;

/** `thingward campaigns`. */
export function campaignCommands(): Command {
  return branch(
    'campaigns',
    'acts on many things, in waves',
    list(),
    start(),
    status(),
    things(),
    pause(),
    resume(),
    cancel(),
  );
}

const list = (): Command =>
  listLeaf('list campaigns, the newest first', 'thingward campaigns list').action(
    listing({ columns, items: ({ client }) => client.each('/v1/campaigns') }),
  );

const start = (): Command =>
  leaf(
    'start',
    'begin a campaign: shows how many things it would take, asks, then begins',
    'thingward campaigns start renew --group oslo-pumps',
    "thingward campaigns start attach --query 'type = pump' --policy telemetry --dry-run",
  )
    .addArgument(new Argument('<act>', 'what is done to each thing').choices(acts))
    .option('--group <name>', 'on the things of a group')
    .option('--query <text>', 'on things of which this is true, see docs/groups.md')
    .option('--policy <name>', 'with attach and detach: a policy; several times for several', several)
    .option(
      '--attribute <name=value>',
      'with set-attributes: an attribute, and without a value after = none; several times for several',
      attribute,
    )
    .option('--waves <percents>', 'up to which percent of the things each wave goes; 1,10,50,100 by default')
    .option('--pause-over <share>', 'pause when more of a wave failed; 2 % by default')
    .option('--wave-seconds <n>', 'the least time between the beginnings of two waves', wholeNumber)
    .option('--renew-within-seconds <n>', 'with renew: when a device that was asked has failed', wholeNumber)
    .option('--dry-run', 'say which things it would take, and begin nothing')
    .option('-y, --yes', 'do not ask: for programs, which have no terminal')
    .action(
      acting<NewCampaignFlags>(async (session, flags, act) => {
        const { beginCampaign } = await import('../campaigns/begin.js');
        await beginCampaign(session, act as Act, flags);
      }),
    );

const numbered = (name: string, description: string, ...examples: string[]): Command =>
  leaf(name, description, ...examples.map((each) => `thingward campaigns ${each}`)).argument('<id>', 'its id');

const status = (): Command =>
  numbered('status', 'show a campaign and its progress', `status ${id}`, `status ${id} --follow`)
    .option('--follow', 'say how far it is until it is over or paused; the exit code is 1 if it did not end well')
    .action(
      acting<{ follow?: true }>(async (session, { follow }, each) => {
        const { followCampaign, reportCampaign } = await import('../campaigns/progress.js');
        await (follow ? followCampaign : reportCampaign)(session, each);
      }),
    );

const things = (): Command =>
  listLeaf('list what became of each thing of a campaign', `thingward campaigns things ${id} --state failed`)
    .name('things')
    .argument('<id>', 'the id of the campaign')
    .addOption(new Option('--state <state>', 'in a state').choices(states))
    .action(
      listing<{ state?: (typeof states)[number] }>({
        columns: thingColumns,
        items: ({ client }, flags, each) =>
          client.each('/v1/campaigns/{id}/things', { path: { id: each }, query: pick(flags, 'state') }),
      }),
    );

const pause = (): Command =>
  numbered('pause', 'touch no further thing, and ask no device', `pause ${id}`).action(
    acting(async (session, _flags, each) =>
      print(session, await session.client.post('/v1/campaigns/{id}/pause', { path: { id: each } })),
    ),
  );

const resume = (): Command =>
  numbered('resume', 'continue a paused campaign, by your own permissions', `resume ${id}`).action(
    acting(async (session, _flags, each) =>
      print(session, await session.client.post('/v1/campaigns/{id}/resume', { path: { id: each } })),
    ),
  );

const cancel = (): Command =>
  numbered('cancel', 'end a campaign where it is; what is done stays', `cancel ${id}`)
    .option('-y, --yes', 'do not ask: for programs, which have no terminal')
    .action(
      acting<{ yes?: true }>(async (session, { yes }, each) => {
        const { typeAgain } = await import('../session/ask.js');
        await typeAgain(`This ends the campaign ${each} permanently.`, each.slice(0, 8), yes);
        await print(session, await session.client.post('/v1/campaigns/{id}/cancel', { path: { id: each } }));
      }),
    );
