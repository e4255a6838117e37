import type { Change } from './diff.js';

const tones = { added: 'good', removed: 'bad', changed: 'warn', same: '' };
const names = { '+': 'added', '-': 'removed', ' ': 'same' };

/** A part that became another, line by line. */
export function ChangeView({ change: { id, kind, lines } }: { change: Change }) {
  return (
    <div className="change">
      <div className="statement-head">
        <strong>{id}</strong>
        <span className={`status ${tones[kind]}`}>{kind}</span>
      </div>
      <pre className="diff" tabIndex={0} aria-label={`What changed in ${id}`} role="region">
        {lines.map(({ sign, text }, at) => (
          <span key={at} className={names[sign]}>
            {sign} {text}
            {'\n'}
          </span>
        ))}
      </pre>
    </div>
  );
}
