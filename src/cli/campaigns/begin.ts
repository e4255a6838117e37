import type { components } from '../../client/generated/api.js';
import { plain } from '../output/cells.js';
import { writeOne } from '../output/output.js';
import { typeAgain } from '../session/ask.js';
import { exitCodes, OperatorError } from '../session/errors.js';
import type { Session } from '../session/session.js';
import { reportCampaign } from './progress.js';

type NewCampaign = components['schemas']['NewCampaign'];
type Preview = components['schemas']['CampaignPreview'];

/** What a campaign does to each thing. */
export type Act = NewCampaign['do'];

/** What `campaigns start` is told. */
export type NewCampaignFlags = {
  group?: string;
  query?: string;
  policy?: string[];
  attribute?: Record<string, string>;
  waves?: string;
  pauseOver?: string;
  waveSeconds?: number;
  renewWithinSeconds?: number;
  dryRun?: true;
  yes?: true;
};

/** Shows what a campaign would take, asks, then begins it. The server refuses if the number has changed meanwhile. @throws OperatorError */
export async function beginCampaign(session: Session, act: Act, flags: NewCampaignFlags): Promise<void> {
  const { client, out } = session;
  const body = bodyOf(act, flags);
  const preview = await client.post('/v1/campaigns', { body: { ...body, dryRun: true } });
  if (!('sample' in preview))
    throw new OperatorError('the server gave no preview: look at thingward campaigns list', exitCodes.refused);
  if (flags.dryRun) return out.format === 'table' ? out.write(inWords(preview)) : writeOne(out, preview);
  if (out.format === 'table') await out.write(inWords(preview));
  await typeAgain(`This begins to ${act} ${preview.things} things.`, flags.group ?? 'yes', flags.yes);
  const begun = await client.post('/v1/campaigns', { body: { ...body, expectedCount: preview.things } });
  if (!('id' in begun))
    throw new OperatorError('the server began nothing: look at thingward campaigns list', exitCodes.refused);
  if (out.format !== 'table') return writeOne(out, begun);
  await reportCampaign(session, begun.id);
}

function bodyOf(act: Act, flags: NewCampaignFlags): NewCampaign {
  const { group, query, policy, attribute, waves, pauseOver, waveSeconds, renewWithinSeconds } = flags;
  if ((group === undefined) === (query === undefined))
    throw new OperatorError('say on which things: --group or --query, one of them');
  return {
    do: act,
    ...(group === undefined ? { query: query! } : { group }),
    ...(policy === undefined ? {} : { policies: policy }),
    ...(attribute === undefined ? {} : { attributes: valuesOf(attribute) }),
    ...(waves === undefined ? {} : { waves: percentsOf(waves) }),
    ...(pauseOver === undefined ? {} : { pauseOver: { failures: shareOf(pauseOver) } }),
    ...(waveSeconds === undefined ? {} : { waveSeconds }),
    ...(renewWithinSeconds === undefined ? {} : { renewWithinSeconds }),
  };
}

/** An attribute without a value is taken away. */
const valuesOf = (attributes: Record<string, string>): Record<string, string | null> =>
  Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, value === '' ? null : value]));

function percentsOf(waves: string): number[] {
  const percents = waves.split(',').map((each) => (/^\d{1,3}(\.\d{1,3})?$/.test(each.trim()) ? Number(each) : NaN));
  if (percents.some(Number.isNaN))
    throw new OperatorError('--waves must be percents with commas between them, such as 1,10,50,100');
  return percents;
}

// The API takes "2 %" and the number 2.
const shareOf = (share: string): number | string => (/^\d+(\.\d+)?$/.test(share) ? Number(share) : share);

function inWords({ things, leftOut, waves, sample }: Preview): string {
  const some = sample.length === 0 ? '' : `, such as ${sample.slice(0, 10).map(plain).join(', ')}`;
  const lines = [`${things} things${some}`, `In waves of ${waves.join(', ')}`];
  if (leftOut > 0)
    lines.push(`${leftOut} more are left out: only attributes that their devices may set say that they match`);
  return `${lines.join('\n')}\n`;
}
