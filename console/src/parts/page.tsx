import { Link, type LinkProps } from '@tanstack/react-router';
import { useEffect, type ReactNode } from 'react';

type Head = {
  title: string;
  about?: ReactNode;
  back?: [title: string, to: NonNullable<LinkProps['to']>];
  children?: ReactNode;
};

/** The head of a page: its name, what it is for, where it belongs, and what is done most here. It names the tab too. */
export function PageHead({ title, about, back, children }: Head) {
  useEffect(() => void (document.title = `${title} · Thingward`), [title]);
  return (
    <div className="page-head">
      <div>
        {back === undefined ? null : (
          <Link to={back[1]} className="back">
            {back[0]}
          </Link>
        )}
        <h1>{title}</h1>
        {about === undefined ? null : <p>{about}</p>}
      </div>
      {children === undefined ? null : <div className="acts">{children}</div>}
    </div>
  );
}

/** Says that there is nothing, and what to do about it. */
export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="card empty">
      <strong>{title}</strong>
      {children}
    </div>
  );
}

/** Names and values beside each other. */
export function Pairs({ rows }: { rows: [string, ReactNode][] }) {
  return (
    <dl>
      {rows.map(([title, value]) => (
        <div key={title}>
          <dt>{title}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
