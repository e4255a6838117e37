import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api, type Schemas } from '../api.js';
import { useAct } from '../parts/acting.js';
import { Modal } from '../parts/dialog.js';
import { FormEnd } from '../parts/form-end.js';
import { Choices, Field } from '../parts/shown.js';
import { channelsQuery } from './queries.js';
import { conditions, figures, figureTitle, isTime } from './words.js';

type Rule = Schemas['AlertRule'];

const severities = ['info', 'warning', 'critical'] as const;

const emptyDraft = {
  name: '',
  metric: 'decisions.deny',
  condition: 'greater_than' as Rule['condition'],
  threshold: '',
  forSeconds: '0',
  severity: 'warning' as Rule['severity'],
  cooldownSeconds: '300',
};

const draftOf = (rule: Rule): typeof emptyDraft => ({
  ...rule,
  threshold: String(rule.threshold),
  forSeconds: String(rule.forSeconds),
  cooldownSeconds: String(rule.cooldownSeconds),
});

/** Makes a rule, or changes one. Of a rule that every account has all can be changed, and it can be switched off. */
export function RuleForm({ rule, onClose }: { rule?: Rule; onClose(): void }) {
  const [draft, setDraft] = useState(() => (rule === undefined ? emptyDraft : draftOf(rule)));
  const [told, setTold] = useState<readonly string[]>(rule?.channels ?? []);
  const [isOn, setOn] = useState(rule?.enabled ?? true);
  const channels = useQuery(channelsQuery);
  const saving = useAct(async () => {
    const body = {
      name: draft.name.trim(),
      metric: draft.metric as Schemas['MetricName'],
      condition: draft.condition,
      threshold: Number(draft.threshold),
      forSeconds: Number(draft.forSeconds),
      severity: draft.severity,
      channels: [...told],
      cooldownSeconds: Number(draft.cooldownSeconds),
      enabled: isOn,
    };
    if (rule === undefined) return api.post('/v1/alerts/rules', { body });
    return api.patch('/v1/alerts/rules/{id}', { path: { id: rule.id }, body });
  }, onClose);
  const field = (name: keyof typeof draft) => ({
    value: draft[name],
    onChange: ({ target }: { target: { value: string } }) => setDraft({ ...draft, [name]: target.value }),
  });
  const offered = Object.keys({ ...figures, [draft.metric]: '' });
  return (
    <Modal
      title={rule === undefined ? 'New rule' : `Edit ${rule.name}`}
      about={
        rule?.builtIn === undefined
          ? 'The server looks at the figure each minute.'
          : 'Every account has this rule. It cannot be deleted: switch it off instead.'
      }
      open
      onClose={onClose}
    >
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          saving.mutate();
        }}
      >
        <Field label="Name">
          <input {...field('name')} required maxLength={64} autoComplete="off" />
        </Field>
        <Field label="Figure">
          <select {...field('metric')}>
            {offered.map((name) => (
              <option key={name} value={name}>
                {figureTitle(name)}
              </option>
            ))}
          </select>
        </Field>
        <div className="beside">
          <Field label="Fires when it is">
            <select {...field('condition')}>
              {Object.entries(conditions).map(([value, title]) => (
                <option key={value} value={value}>
                  {title}
                </option>
              ))}
            </select>
          </Field>
          <Field label="Threshold" {...(isTime(draft.metric) ? { hint: 'In seconds.' } : {})}>
            <input {...field('threshold')} type="number" step="any" required />
          </Field>
        </div>
        <div className="beside">
          <Field label="For so many seconds" hint="0: at once.">
            <input {...field('forSeconds')} type="number" min="0" max="86400" required />
          </Field>
          <Field label="Told again after seconds" hint="While it fires.">
            <input {...field('cooldownSeconds')} type="number" min="60" max="604800" required />
          </Field>
        </div>
        <Field label="Severity">
          <select {...field('severity')}>
            {severities.map((severity) => (
              <option key={severity}>{severity}</option>
            ))}
          </select>
        </Field>
        {channels.data?.items.length === 0 ? (
          <p className="faint">There is no channel yet: the alert shows here alone.</p>
        ) : (
          <Choices
            title="Channels that hear of it"
            offered={(channels.data?.items ?? []).map(({ id, name }) => [id, name])}
            chosen={told}
            onChange={setTold}
          />
        )}
        <label className="check">
          <input type="checkbox" checked={isOn} onChange={({ target }) => setOn(target.checked)} />
          It is on
        </label>
        <FormEnd acting={saving} act={rule === undefined ? 'Create' : 'Save'} onClose={onClose} />
      </form>
    </Modal>
  );
}
