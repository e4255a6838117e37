import type { Schemas } from '../api.js';
import { queryOf } from './query.js';

type NewCampaign = Schemas['NewCampaign'];

/** A campaign as somebody fills it in. */
export type CampaignDraft = {
  group: string;
  query: string;
  do: NewCampaign['do'];
  policies: string;
  attributes: string;
  waves: string;
  failures: string;
};

/** One that nobody has touched yet, for a group where one is known. */
export const emptyDraft = (group = ''): CampaignDraft => ({
  group,
  query: '',
  do: 'renew',
  policies: '',
  attributes: '',
  waves: '1, 10, 50, 100',
  failures: '2',
});

/** The names of the acts. */
export const acts: Record<NewCampaign['do'], string> = {
  renew: 'Renew certificates',
  attach: 'Attach policies',
  detach: 'Detach policies',
  'set-attributes': 'Set attributes',
};

const wordsOf = (text: string): string[] => text.split(/[\s,]+/).filter((word) => word !== '');

/** What the API is sent. @throws SyntaxError for a query in JSON that cannot be read */
export function bodyOf(draft: CampaignDraft): NewCampaign {
  const { group, query, policies, attributes, waves, failures } = draft;
  const act = draft.do;
  const body: NewCampaign = {
    do: act,
    waves: wordsOf(waves).map(Number),
    pauseOver: { failures: Number(failures) },
  };
  if (group.trim() === '') body.query = queryOf(query);
  else body.group = group.trim();
  if (act === 'attach' || act === 'detach') body.policies = wordsOf(policies);
  if (act === 'set-attributes') body.attributes = attributesOf(attributes);
  return body;
}

/** A name and its value on each line; without a value the attribute is taken away. */
function attributesOf(text: string): Record<string, string | null> {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return Object.fromEntries(
    lines.map((line) => {
      const [, name, value] = /^\s*([^=]*?)\s*(?:=\s*(.*?))?\s*$/.exec(line)!;
      return [name!, value === undefined || value === '' ? null : value];
    }),
  );
}
