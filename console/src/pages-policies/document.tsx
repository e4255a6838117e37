import type { ReactNode } from 'react';
import type { Schemas } from '../api.js';

type Statement = Schemas['PolicyStatement'];

/** What is said about a statement beside it: `tone` is how it stands out. */
export type Remark = { tone?: 'good' | 'bad' | 'warn'; text: ReactNode };

/** A document, statement by statement as JSON, each with what there is to say about it. */
export function DocumentView({
  document: { dataSensitivity, statements },
  remarkOf,
}: {
  document: Schemas['PolicyDocument'];
  remarkOf?: (id: string) => Remark | undefined;
}) {
  return (
    <>
      {dataSensitivity === undefined ? null : <p className="faint">Sensitivity of the data: {dataSensitivity}</p>}
      {statements.length === 0 ? <p>It has no statements, so it allows nothing.</p> : null}
      <ol className="statements">
        {statements.map((statement) => (
          <StatementView key={statement.id} statement={statement} remark={remarkOf?.(statement.id)} />
        ))}
      </ol>
    </>
  );
}

function StatementView({ statement, remark }: { statement: Statement; remark: Remark | undefined }) {
  const { id, effect, actions, resources, condition } = statement;
  return (
    <li className={`statement ${remark?.tone ?? ''}`} aria-current={remark?.tone === undefined ? undefined : true}>
      <div className="statement-head">
        <strong>{id}</strong>
        <span className={`status ${effect === 'allow' ? 'good' : 'bad'}`}>{effect}</span>
        {remark === undefined ? null : <span className="remark">{remark.text}</span>}
      </div>
      <dl className="said">
        <div>
          <dt>Actions</dt>
          <dd>
            <Codes values={actions} />
          </dd>
        </div>
        <div>
          <dt>Resources</dt>
          <dd>
            <Codes values={resources} />
          </dd>
        </div>
        {condition === undefined ? null : (
          <div>
            <dt>If</dt>
            <dd>
              <Condition condition={condition} />
            </dd>
          </div>
        )}
      </dl>
    </li>
  );
}

// Whoever reads a thousand resources reads the document itself.
const mostShown = 50;

function Codes({ values }: { values: string[] }) {
  return (
    <ul className="codes-list">
      {values.slice(0, mostShown).map((value) => (
        <li key={value}>
          <code>{value}</code>
        </li>
      ))}
      {values.length > mostShown ? <li>and {(values.length - mostShown).toLocaleString()} more</li> : null}
    </ul>
  );
}

function Condition({ condition }: { condition: NonNullable<Statement['condition']> }) {
  const { timeWindows = [], sourceCidrs = [], protocols = [], attributes = {}, retain, qos } = condition;
  const said = [
    ...timeWindows.map(
      ({ from, to, days, timeZone }) => `between ${from} and ${to} on ${days.join(', ')} (${timeZone})`,
    ),
    sourceCidrs.length > 0 ? `from ${sourceCidrs.slice(0, mostShown).join(', ')}` : '',
    protocols.length > 0 ? `over ${protocols.join(', ')}` : '',
    ...Object.entries(attributes).map(
      ([name, values]) => `attribute ${name} is ${values.slice(0, mostShown).join(' or ')}`,
    ),
    retain === undefined ? '' : `retain is ${retain}`,
    qos === undefined ? '' : `quality of service ${qos.join(' or ')}`,
  ].filter((line) => line !== '');
  return (
    <ul className="codes-list">
      {said.slice(0, mostShown).map((line) => (
        <li key={line}>{line}</li>
      ))}
    </ul>
  );
}
