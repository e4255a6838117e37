import { Link } from '@tanstack/react-router';
import { api, type Schemas } from '../api.js';
import { Listed, usePages } from '../parts/listed.js';
import { useMay } from '../parts/may.js';
import { Empty, PageHead } from '../parts/page.js';
import { Status, Time } from '../parts/shown.js';
import { textOf } from './query.js';

type Campaign = Schemas['Campaign'];

/** What a campaign does, in words. */
export function actOf({
  do: act,
  policies = [],
  attributes = {},
}: Pick<Campaign, 'do' | 'policies' | 'attributes'>): string {
  if (act === 'renew') return 'Renew certificates';
  if (act === 'set-attributes') return `Set ${Object.keys(attributes).join(', ')}`;
  return `${act === 'attach' ? 'Attach' : 'Detach'} ${policies.join(', ')}`;
}

/** How many of its things a campaign is done with, in words. */
export function doneOf({ counts, things }: Pick<Campaign, 'counts' | 'things'>): string {
  const { done, failed, skipped } = counts;
  const words = `${(done + failed + skipped).toLocaleString()} of ${things.toLocaleString()}`;
  return failed > 0 ? `${words}, ${failed.toLocaleString()} failed` : words;
}

/** Acts on many things, in waves, newest first. */
export function CampaignsPage() {
  const may = useMay();
  const list = usePages(['campaigns', 'all'], (cursor, signal) =>
    api.get('/v1/campaigns', { query: { limit: 50, ...cursor }, signal }),
  );
  const add = may('things:write') ? (
    <Link to="/campaigns/new" search={{}} className="button primary">
      New campaign
    </Link>
  ) : null;
  return (
    <>
      <PageHead title="Campaigns" about="An act on many things, in waves. It pauses by itself when too many fail.">
        {add}
      </PageHead>
      <Listed
        label="Campaigns"
        head={['Act', 'On', 'State', 'Done', 'Began']}
        list={list}
        empty={
          <Empty title="There is no campaign yet">
            <p>Have a fleet renew its certificates, or give things a policy, a few at first and then the rest.</p>
          </Empty>
        }
        row={(campaign) => (
          <tr key={campaign.id}>
            <td>
              <Link to="/campaigns/$id" params={{ id: campaign.id }}>
                {actOf(campaign)}
              </Link>
            </td>
            <td className="long">{campaign.group ?? <code>{textOf(campaign.query)}</code>}</td>
            <td>
              <Status of={campaign.status} />
            </td>
            <td>{doneOf(campaign)}</td>
            <td>
              <Time at={campaign.createdAt} />
            </td>
          </tr>
        )}
      />
    </>
  );
}
