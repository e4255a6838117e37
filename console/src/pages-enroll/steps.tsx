import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { api } from '../api.js';
import { useMay } from '../parts/may.js';
import { Pairs } from '../parts/page.js';
import { ProblemNote } from '../parts/problem.js';
import { Field } from '../parts/shown.js';
import { attributesOf, linesOf, type Draft } from './draft.js';

type Props = { draft: Draft; onChange(part: Partial<Draft>): void };

/** How they are called, how many they are, and whether somebody looks first. */
export function WhichStep({ draft, onChange }: Props) {
  return (
    <div className="form">
      <Field label="Their names" hint="* stands for any text, ? for one character: pump-*">
        <input
          value={draft.pattern}
          onChange={({ target }) => onChange({ pattern: target.value })}
          pattern="[A-Za-z0-9:_*?\-]{1,128}"
          required
          spellCheck={false}
          autoComplete="off"
        />
      </Field>
      <Field label="Their type" hint="If all are of one; otherwise leave it empty.">
        <input value={draft.thingType} onChange={({ target }) => onChange({ thingType: target.value })} />
      </Field>
      <Field label="How many at most">
        <input
          type="number"
          min="1"
          max="10000000"
          value={draft.maxUses}
          onChange={({ target }) => onChange({ maxUses: target.value })}
          required
        />
      </Field>
      <Field label="For how long">
        <select value={draft.ends} onChange={({ target }) => onChange({ ends: target.value as Draft['ends'] })}>
          <option value="1">a day</option>
          <option value="7">a week</option>
          <option value="30">30 days</option>
          <option value="365">a year</option>
          <option value="never">without end</option>
        </select>
      </Field>
      <label className="check wide">
        <input
          type="checkbox"
          checked={draft.approval}
          onChange={({ target }) => onChange({ approval: target.checked })}
        />
        Each device waits until somebody approves it
      </label>
    </div>
  );
}

/** Their policies, and where they belong. */
export function RightsStep({ draft, onChange }: Props) {
  const may = useMay();
  const policies = useQuery({
    queryKey: ['policies', 'names'],
    queryFn: () => api.get('/v1/policies', { query: { limit: 200 } }),
  });
  const segments = useQuery({
    queryKey: ['segments', 'names'],
    queryFn: () => api.get('/v1/segments', { query: { limit: 200 } }),
    enabled: may('segments:read'),
  });
  const toggle = (name: string, isOn: boolean) =>
    onChange({ policies: isOn ? [...draft.policies, name] : draft.policies.filter((each) => each !== name) });
  return (
    <div className="form">
      <fieldset>
        <legend>Policies</legend>
        <ProblemNote error={policies.error ?? segments.error} />
        <div className="toggles">
          {policies.data?.items.map(({ name }) => (
            <label key={name} className="check">
              <input
                type="checkbox"
                checked={draft.policies.includes(name)}
                onChange={({ target }) => toggle(name, target.checked)}
              />
              {name}
            </label>
          ))}
        </div>
        <small>
          <Link to="/policies">What each allows</Link>
        </small>
      </fieldset>
      <Field label="Segment">
        <select value={draft.segment} onChange={({ target }) => onChange({ segment: target.value })}>
          <option value="">none</option>
          {segments.data?.items.map(({ name }) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </Field>
      <Field label="Attributes" hint="One on a line: site=berlin">
        <textarea value={draft.attributes} onChange={({ target }) => onChange({ attributes: target.value })} />
      </Field>
      <Field label="Addresses that they come from" hint="Ranges, one on a line: 10.0.0.0/8. Empty: anywhere.">
        <textarea value={draft.sourceCidrs} onChange={({ target }) => onChange({ sourceCidrs: target.value })} />
      </Field>
    </div>
  );
}

const ends = { '1': 'after a day', '7': 'after a week', '30': 'after 30 days', '365': 'after a year', never: 'never' };

/** What the answers come to, before anything is made. */
export function Check({ draft }: { draft: Draft }) {
  const attributes = Object.entries(attributesOf(draft.attributes));
  return (
    <Pairs
      rows={[
        ['Names', <code key="names">{draft.pattern}</code>],
        ['Type', draft.thingType || 'any'],
        ['At most', Number(draft.maxUses).toLocaleString()],
        ['Ends', ends[draft.ends]],
        ['Approval', draft.approval ? 'Each device waits for somebody' : 'Not needed'],
        ['Policies', draft.policies.join(', ') || 'None chosen: go back and choose one'],
        ['Segment', draft.segment || '–'],
        ['Attributes', attributes.map((pair) => pair.join(' = ')).join(', ') || '–'],
        ['From', linesOf(draft.sourceCidrs).join(', ') || 'anywhere'],
      ]}
    />
  );
}
