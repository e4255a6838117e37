import type { ReactNode } from 'react';
import { Copy } from './copy.js';
import { Modal } from './dialog.js';

type Props = {
  title: string;
  about: string;
  secret: string;
  /** What it is, after "Copy:". */
  label: string;
  done?: string;
  onClose(): void;
  children?: ReactNode;
};

/** Something that nobody can read again: it is copied now, or made anew. */
export function ShownOnce({ title, about, secret, label, done = 'I have kept it', onClose, children }: Props) {
  return (
    <Modal title={title} about={about} open onClose={onClose}>
      <div className="stack">
        <Copy text={secret} label={label} />
        {children}
        <button type="button" className="primary" onClick={onClose}>
          {done}
        </button>
      </div>
    </Modal>
  );
}
