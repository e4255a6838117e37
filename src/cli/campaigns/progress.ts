import type { components } from '../../client/generated/api.js';
import { plain } from '../output/cells.js';
import { writeOne } from '../output/output.js';
import { exitCodes } from '../session/errors.js';
import type { Session } from '../session/session.js';

type Campaign = components['schemas']['Campaign'];

const lookMs = 2000;

/** Writes a campaign: for people how far it is, wave by wave; for programs the answer of the API. */
export async function reportCampaign({ client, out }: Session, id: string): Promise<void> {
  const campaign = await client.get('/v1/campaigns/{id}', { path: { id } });
  if (out.format === 'table') await out.write(inWords(campaign));
  else await writeOne(out, campaign);
}

/** Says how far a campaign is until it is over or paused, then reports it. The exit code is 1 unless everything is done. */
export async function followCampaign(session: Session, id: string): Promise<void> {
  let said = '';
  for (;;) {
    const campaign = await session.client.get('/v1/campaigns/{id}', { path: { id } });
    const line = lineOf(campaign);
    if (line !== said) process.stderr.write(`${line}\n`);
    said = line;
    if (campaign.status !== 'running') {
      if (campaign.status !== 'done' || campaign.counts.failed > 0) process.exitCode = exitCodes.difference;
      return reportCampaign(session, id);
    }
    await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
}

function lineOf({ status, wave, waves, things, counts }: Campaign): string {
  const { done, failed, skipped, asked } = counts;
  const open = asked > 0 ? `, ${asked} asked to renew` : '';
  return `${status}, wave ${wave} of ${waves.length}: ${done + failed + skipped} of ${things} things, ${failed} failed${open}`;
}

function inWords(campaign: Campaign): string {
  const {
    id,
    do: act,
    group,
    policies = [],
    attributes,
    reason,
    pauseOver,
    createdBy,
    createdAt,
    finishedAt,
  } = campaign;
  const what = [act, ...policies, ...(attributes === undefined ? [] : Object.keys(attributes))].join(' ');
  const lines = [
    `Campaign ${id}`,
    `${what} on ${group === undefined ? 'the things of a query' : `the group ${group}`}`,
    lineOf(campaign),
    ...(reason === undefined ? [] : [`because ${reason}`]),
    `pauses above ${pauseOver.failures} of failures in a wave`,
    `begun by ${createdBy} at ${createdAt}${finishedAt === undefined ? '' : `, over at ${finishedAt}`}`,
    ...campaign.waves.map(
      ({ upTo, things, done, failed, skipped, waiting, asked }) =>
        `  up to ${upTo} %: ${things} things, ${done} done, ${failed} failed, ${skipped} skipped, ${waiting + asked} left`,
    ),
  ];
  return `${lines.map(plain).join('\n')}\n`;
}
