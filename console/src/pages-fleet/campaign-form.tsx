import { useMutation } from '@tanstack/react-query';
import { getRouteApi, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { api, type Schemas } from '../api.js';
import { useAct } from '../parts/acting.js';
import { useMay } from '../parts/may.js';
import { Empty, PageHead, Pairs } from '../parts/page.js';
import { ProblemNote } from '../parts/problem.js';
import { Field, Section } from '../parts/shown.js';
import { acts, bodyOf, emptyDraft, type CampaignDraft } from './campaign-draft.js';

const route = getRouteApi('/signed-in/campaigns/new');

/** A new campaign: what it does and to which things, what it would take, then the beginning. */
export function NewCampaignPage() {
  const { group } = route.useSearch();
  const may = useMay();
  const navigate = useNavigate();
  const [draft, setDraft] = useState(() => emptyDraft(group));
  const looking = useMutation({
    mutationFn: async () => api.post('/v1/campaigns', { body: { ...bodyOf(draft), dryRun: true } }),
  });
  const preview = looking.data && 'sample' in looking.data ? looking.data : undefined;
  const starting = useAct(
    async () => api.post('/v1/campaigns', { body: { ...bodyOf(draft), expectedCount: preview?.things ?? 0 } }),
    (campaign) => ('id' in campaign ? navigate({ to: '/campaigns/$id', params: { id: campaign.id } }) : undefined),
  );
  if (!may('things:write')) return <PageHead title="New campaign" about="This needs things:write." />;
  return (
    <>
      <PageHead
        title="New campaign"
        back={['Campaigns', '/campaigns']}
        about="The things are found once, when it begins. A few are done first: what goes wrong goes wrong for few."
      />
      <form
        className="card form"
        onSubmit={(event) => {
          event.preventDefault();
          looking.mutate();
        }}
      >
        <Fields
          draft={draft}
          onChange={(change) => {
            setDraft({ ...draft, ...change });
            looking.reset();
            starting.reset();
          }}
        />
        <div className="acts">
          <button type="submit" className={preview === undefined ? 'primary' : ''} disabled={looking.isPending}>
            See what it would take
          </button>
        </div>
      </form>
      <ProblemNote error={looking.error} />
      {preview === undefined ? null : <Preview preview={preview} starting={starting} />}
    </>
  );
}

type FieldsProps = { draft: CampaignDraft; onChange(change: Partial<CampaignDraft>): void };

function Fields({ draft, onChange }: FieldsProps) {
  const field = (name: keyof CampaignDraft) => ({
    value: draft[name],
    onChange: ({ target }: { target: { value: string } }) => onChange({ [name]: target.value }),
    spellCheck: false,
  });
  return (
    <>
      <Field label="Act">
        <select {...field('do')}>
          {Object.entries(acts).map(([value, title]) => (
            <option key={value} value={value}>
              {title}
            </option>
          ))}
        </select>
      </Field>
      {draft.do === 'attach' || draft.do === 'detach' ? (
        <Field label="Policies" hint="Names, with commas between them.">
          <input {...field('policies')} required />
        </Field>
      ) : null}
      {draft.do === 'set-attributes' ? (
        <Field label="Attributes" hint="One on a line: site = oslo. Without a value it is taken away.">
          <textarea {...field('attributes')} required />
        </Field>
      ) : null}
      <Field label="Group">
        <input {...field('group')} />
      </Field>
      {draft.group.trim() === '' ? (
        <Field label="Or things that" hint="Such as type = pump and not status = suspended">
          <textarea {...field('query')} required />
        </Field>
      ) : null}
      <Field label="Waves" hint="Up to which share of the things each wave goes, in percent. The last is 100.">
        <input {...field('waves')} required />
      </Field>
      <Field label="Pause above this share of failures, in percent">
        <input {...field('failures')} type="number" min={0} max={100} step="any" required />
      </Field>
    </>
  );
}

type PreviewProps = {
  preview: Schemas['CampaignPreview'];
  starting: { mutate(): void; error: unknown; isPending: boolean };
};

function Preview({ preview: { things, leftOut, waves, sample }, starting }: PreviewProps) {
  if (things === 0)
    return (
      <Empty title="Nothing matches">
        <p>{leftOut > 0 ? leftOutWords(leftOut) : 'No thing is of that kind now.'}</p>
      </Empty>
    );
  return (
    <Section title={`${things.toLocaleString()} ${things === 1 ? 'thing' : 'things'}`}>
      <Pairs
        rows={[
          ['In each wave', waves.map((count) => count.toLocaleString()).join(', ')],
          ['Some of them', sample.slice(0, 10).join(', ')],
        ]}
      />
      {leftOut > 0 ? <p>{leftOutWords(leftOut)}</p> : null}
      <ProblemNote error={starting.error} />
      <div className="acts">
        <button type="button" className="primary" disabled={starting.isPending} onClick={() => starting.mutate()}>
          Begin
        </button>
        <small>It stops if the number is another by then.</small>
      </div>
    </Section>
  );
}

const leftOutWords = (count: number): string =>
  `${count.toLocaleString()} more match only by what their devices say of themselves, and are left out.`;
