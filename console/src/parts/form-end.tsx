import { ProblemNote } from './problem.js';

type Props = { acting: { error: Error | null; isPending: boolean }; act: string; onClose(): void };

/** The end of a form in a dialog: why it failed last, the button that sends it, and the one that leaves. */
export function FormEnd({ acting: { error, isPending }, act, onClose }: Props) {
  return (
    <>
      <ProblemNote error={error} />
      <div className="acts">
        <button type="submit" className="primary" disabled={isPending}>
          {act}
        </button>
        <button type="button" onClick={onClose}>
          Cancel
        </button>
      </div>
    </>
  );
}
