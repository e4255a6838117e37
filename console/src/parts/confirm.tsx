import { useState, type ReactNode } from 'react';
import { Modal } from './dialog.js';
import { ProblemNote } from './problem.js';
import { Field } from './shown.js';

type Acting = { mutate(): void; isPending: boolean; error: unknown };

type Props = {
  title: string;
  /** What it does, and whether it can be undone. */
  about: string;
  act: string;
  /** What has to be typed first, where a click by mistake costs much. */
  word?: string;
  acting: Acting;
  onClose(): void;
  /** What it would end: shown before anybody confirms. */
  children?: ReactNode;
};

/** The last question before something that others will feel: what it ends, its name typed, then the act. */
export function Confirm({ title, about, act, word, acting, onClose, children }: Props) {
  const [typed, setTyped] = useState('');
  return (
    <Modal title={title} about={about} open onClose={onClose}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          acting.mutate();
        }}
      >
        {children}
        {word === undefined ? null : (
          <Field label={`Type ${word} to confirm`}>
            <input
              value={typed}
              onChange={({ target }) => setTyped(target.value)}
              autoComplete="off"
              spellCheck={false}
            />
          </Field>
        )}
        <ProblemNote error={acting.error} />
        <div className="acts">
          <button
            type="submit"
            className="danger"
            disabled={acting.isPending || (word !== undefined && typed !== word)}
          >
            {act}
          </button>
          <button type="button" onClick={onClose}>
            Cancel
          </button>
        </div>
      </form>
    </Modal>
  );
}
