import { cloneElement, useId, type ReactElement, type ReactNode } from 'react';

const local = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });

/** A time in the zone of the reader; UTC where the pointer rests. */
export function Time({ at }: { at: string | undefined }) {
  if (at === undefined) return <span className="faint">never</span>;
  return (
    <time dateTime={at} title={`${at} (UTC)`}>
      {local.format(new Date(at))}
    </time>
  );
}

const tones: Record<string, 'good' | 'warn' | 'bad'> = {
  active: 'good',
  allow: 'good',
  deny: 'bad',
  drifted: 'warn',
  pending: 'warn',
  failed: 'bad',
  expired: 'bad',
  exhausted: 'warn',
  invited: 'warn',
  firing: 'bad',
  acknowledged: 'warn',
  resolved: 'good',
  critical: 'bad',
  warning: 'warn',
  running: 'warn',
  done: 'good',
  fresh: 'good',
  approved: 'good',
  suspended: 'warn',
  held: 'warn',
  waiting: 'warn',
  stale: 'warn',
  paused: 'warn',
  'scale-up': 'warn',
  revoked: 'bad',
  denied: 'bad',
  delivered: 'good',
  parked: 'bad',
  full: 'bad',
  on: 'good',
};

/** A status in a word; its colour says nothing that the word does not. */
export function Status({
  of,
  tone = tones[of] ?? '',
}: {
  of: string;
  tone?: 'good' | 'warn' | 'bad' | '' | undefined;
}) {
  return <span className={`status ${tone}`}>{of}</span>;
}

/** Rows that may be wider than a phone: they scroll by themselves, also by keyboard. */
export function Table({ label, head, children }: { label: string; head: string[]; children: ReactNode }) {
  return (
    <div className="scroll" role="region" aria-label={label} tabIndex={0}>
      <table>
        <thead>
          <tr>
            {head.map((title) => (
              <th key={title} scope="col">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

/** Stands where something will be, so that nothing jumps. */
export function Skeleton({ lines = 3 }: { lines?: number }) {
  return (
    <div className="skeleton" role="status" aria-label="Loading">
      {Array.from({ length: lines }, (_, line) => (
        <span key={line} />
      ))}
    </div>
  );
}

/** A part of a page under a heading. */
export function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className="card">
      <h2>{title}</h2>
      {children}
    </section>
  );
}

type Labelled = ReactElement<{ id?: string; 'aria-describedby'?: string }>;

/** A labelled input, with a hint that is read after its name. */
export function Field({ label, hint, children }: { label: string; hint?: string; children: Labelled }) {
  const id = useId();
  const hintId = `${id}-hint`;
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {cloneElement(children, { id, ...(hint === undefined ? {} : { 'aria-describedby': hintId }) })}
      {hint === undefined ? null : <small id={hintId}>{hint}</small>}
    </div>
  );
}

type ChoicesProps = {
  title: string;
  offered: readonly (readonly [value: string, title: string])[];
  chosen: readonly string[];
  onChange(chosen: string[]): void;
};

/** Several of a few, each with its own box. */
export function Choices({ title, offered, chosen, onChange }: ChoicesProps) {
  return (
    <fieldset>
      <legend>{title}</legend>
      <div className="toggles">
        {offered.map(([value, name]) => (
          <label key={value} className="check">
            <input
              type="checkbox"
              checked={chosen.includes(value)}
              onChange={({ target }) =>
                onChange(target.checked ? [...chosen, value] : chosen.filter((each) => each !== value))
              }
            />
            {name}
          </label>
        ))}
      </div>
    </fieldset>
  );
}
