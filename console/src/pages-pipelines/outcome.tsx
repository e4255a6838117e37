import type { Schemas } from '../api.js';
import { Status, Table, Time } from '../parts/shown.js';
import type { Recorded } from './messages.js';

type Simulated = Schemas['PipelineSimulated'];
type Publication = Schemas['PipelinePublication'];
type RecordOfPipeline = Schemas['PipelineRecord'];

const occasions: Record<Publication['occasion'], string> = {
  each: 'each record leaves at once',
  batch: 'the batch was full',
  seconds: 'the batch was old enough',
  now: 'a condition of now holds',
  evicted: 'the thing made room for another',
};

const reasons: Record<string, string> = {
  'too-large': 'It is too large.',
  'not-decodable': 'It cannot be read in the format of the pipeline.',
  'no-time': 'It does not say when it is from.',
  'too-far-ahead': 'It is from more than a day after it came.',
  'not-valid': 'It does not fit the schema of the step validate.',
  'no-values': 'It has none of the values.',
};

const mostPublications = 200;
const mostRecords = 20;

/** What a pipeline would do with messages: what it would publish, what goes no further and why. */
export function Outcome({ messages, of }: { messages: Recorded[]; of: Simulated }) {
  const { published, deadLetters, unmatched, truncated } = of;
  const shown = published.slice(0, mostPublications);
  return (
    <div className="stack spaced">
      <p role="status">{summaryOf(messages.length, of)}</p>
      {unmatched === messages.length ? (
        <p className="note warn">
          No message is for this pipeline: compare their topics and types with what it matches.
        </p>
      ) : null}
      {shown.length === 0 ? null : (
        <div>
          <h3>What would be published</h3>
          <Table label="What would be published" head={['When', 'Thing', 'Topic', 'Because', 'Records']}>
            {shown.map((each, at) => (
              <Published key={at} of={each} />
            ))}
          </Table>
          {truncated || published.length > shown.length ? (
            <p className="faint">More would be published: these are the first.</p>
          ) : null}
        </div>
      )}
      {deadLetters.length === 0 ? null : (
        <div>
          <h3>What goes no further</h3>
          <Table label="What goes no further" head={['Message', 'Thing', 'Topic', 'Why']}>
            {deadLetters.slice(0, mostPublications).map(({ message, why }) => (
              <tr key={message}>
                <td>{(message + 1).toLocaleString()}</td>
                <td>{messages[message]?.thing}</td>
                <td className="wide">
                  <code>{messages[message]?.topic}</code>
                </td>
                <td className="wide">{reasons[why] ?? why}</td>
              </tr>
            ))}
          </Table>
          {deadLetters.length > mostPublications ? <p className="faint">These are the first.</p> : null}
        </div>
      )}
      <Counts counts={of.counts} />
    </div>
  );
}

const many = (count: number, one: string, several = `${one}s`): string =>
  `${count.toLocaleString()} ${count === 1 ? one : several}`;

function summaryOf(sent: number, { published, deadLetters, unmatched }: Simulated): string {
  const made = published.reduce((sum, { records }) => sum + records.length, 0);
  const parts = [
    `${many(published.length, 'publication')} with ${many(made, 'record')} out of ${many(sent, 'message')}`,
    ...(deadLetters.length === 0 ? [] : [`${many(deadLetters.length, 'message')} would go no further`]),
    ...(unmatched === 0 ? [] : [`${many(unmatched, 'message is', 'messages are')} not for it`]),
  ];
  return `${parts.join('; ')}.`;
}

function Published({ of: { thing, topic, at, occasion, records } }: { of: Publication }) {
  return (
    <tr>
      <td>
        <Time at={at} />
      </td>
      <td>{thing}</td>
      <td className="wide">
        <code>{topic}</code>
      </td>
      <td className="wide">{occasions[occasion] ?? occasion}</td>
      <td className="wide">
        <ol className="records">
          {records.slice(0, mostRecords).map((record, nth) => (
            <li key={nth}>
              <OneRecord of={record} />
            </li>
          ))}
        </ol>
        {records.length > mostRecords ? (
          <small>and {(records.length - mostRecords).toLocaleString()} more</small>
        ) : null}
      </td>
    </tr>
  );
}

function OneRecord({ of: { values, severity, alerts = [] } }: { of: RecordOfPipeline }) {
  return (
    <>
      {severity === undefined ? null : (
        <>
          <Status of={severity} />{' '}
        </>
      )}
      <code className="values">
        {Object.entries(values)
          .map(([name, value]) => `${name} ${typeof value === 'number' ? value : JSON.stringify(value)}`)
          .join(', ')}
      </code>
      {alerts.map(({ value, is, max, min }) => (
        <small key={value}>
          {' '}
          {value} is {is}
          {max === undefined ? '' : `, above ${max}`}
          {min === undefined ? '' : `, limit below ${min}`}
        </small>
      ))}
    </>
  );
}

const counted: Record<string, string> = {
  messages: 'Messages for it',
  records: 'Records made',
  published: 'Publications',
  deadLetters: 'Dead letters',
  late: 'Too late for their window',
  dropped: 'Left out by steps',
  outliers: 'Outliers',
  nonFinite: 'Results that are no number',
  evicted: 'Things forgotten for others',
  overfull: 'Windows that were full',
};

function Counts({ counts }: { counts: Record<string, number> }) {
  return (
    <details>
      <summary>What an edge would count</summary>
      <ul className="codes-list">
        {Object.entries(counts).map(([name, count]) => (
          <li key={name}>
            {counted[name] ?? name}: {count.toLocaleString()}
          </li>
        ))}
      </ul>
    </details>
  );
}
