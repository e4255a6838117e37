import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api, type Schemas } from '../api.js';
import { wholeSpanOf } from '../clock.js';
import { useAct } from '../parts/acting.js';
import { Confirm } from '../parts/confirm.js';
import { Listed, usePages } from '../parts/listed.js';
import { useMay } from '../parts/may.js';
import { Empty } from '../parts/page.js';
import { Status } from '../parts/shown.js';
import { channelsQuery } from './queries.js';
import { RuleForm } from './rule-form.js';
import { figureTitle, whenOf } from './words.js';

type Rule = Schemas['AlertRule'];
type Asked = { kind: 'new' } | { kind: 'edit' | 'delete'; rule: Rule };

/** What makes an alert: the rules that every account has, and those of this one. */
export function RulesPage() {
  const may = useMay();
  const mayWrite = may('alerts:write') && may('metrics:read');
  const [asked, setAsked] = useState<Asked>();
  const close = () => setAsked(undefined);
  const channels = useQuery(channelsQuery);
  const list = usePages(['rules'], (cursor, signal) =>
    api.get('/v1/alerts/rules', { query: { limit: 100, ...cursor }, signal }),
  );
  const namesOf = ({ channels: ids }: Rule): string =>
    ids.map((id) => channels.data?.items.find((each) => each.id === id)?.name ?? '…').join(', ') || 'nobody';
  return (
    <>
      {mayWrite ? (
        <div className="acts">
          <button type="button" className="primary" onClick={() => setAsked({ kind: 'new' })}>
            New rule
          </button>
        </div>
      ) : null}
      <Listed
        label="Rules"
        head={['Name', 'State', 'Fires when', 'Severity', 'Tells', 'Again after', 'Act']}
        list={list}
        empty={<Empty title="There is no rule" />}
        row={(rule) => (
          <tr key={rule.id}>
            <td className="wide">
              {rule.name}
              {rule.builtIn === undefined ? null : (
                <>
                  <br />
                  <small>every account has it</small>
                </>
              )}
            </td>
            <td>
              <Status of={rule.enabled ? 'on' : 'off'} />
            </td>
            <td className="wide">
              {figureTitle(rule.metric)}: {whenOf(rule)}
              {rule.forSeconds === 0 ? '' : `, for ${wholeSpanOf(rule.forSeconds)}`}
            </td>
            <td>
              <Status of={rule.severity} />
            </td>
            <td>{namesOf(rule)}</td>
            <td>{wholeSpanOf(rule.cooldownSeconds)}</td>
            <td className="act">
              {mayWrite ? (
                <button type="button" className="quiet" onClick={() => setAsked({ kind: 'edit', rule })}>
                  Edit
                </button>
              ) : null}{' '}
              {may('alerts:write') && rule.builtIn === undefined ? (
                <button type="button" className="quiet danger" onClick={() => setAsked({ kind: 'delete', rule })}>
                  Delete…
                </button>
              ) : null}
            </td>
          </tr>
        )}
      />
      {asked?.kind === 'new' ? <RuleForm onClose={close} /> : null}
      {asked?.kind === 'edit' ? <RuleForm rule={asked.rule} onClose={close} /> : null}
      {asked?.kind === 'delete' ? <DeleteRule rule={asked.rule} onClose={close} /> : null}
    </>
  );
}

function DeleteRule({ rule: { id, name }, onClose }: { rule: Rule; onClose(): void }) {
  const deleting = useAct(() => api.delete('/v1/alerts/rules/{id}', { path: { id } }), onClose);
  return (
    <Confirm
      title={`Delete ${name}`}
      about="Nobody hears of this figure any more. An alert of it that fires is resolved."
      act="Delete"
      word={name}
      acting={deleting}
      onClose={onClose}
    />
  );
}
