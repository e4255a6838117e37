import { Status, Time } from '../parts/shown.js';

type Saved = { version: number; at: string; by: string; isActive: boolean };

/** What a table of versions says of each: its number, when and by whom it was saved, and whether it is the active one. */
export function VersionCells({ version, at, by, isActive }: Saved) {
  return (
    <>
      <td>{version}</td>
      <td>
        <Time at={at} />
      </td>
      <td>{by}</td>
      <td>{isActive ? <Status of="active" /> : <span className="faint">saved</span>}</td>
    </>
  );
}

/** Offers to activate a version, where that is anything to do. */
export function ActivateVersion({
  version,
  isOffered,
  onChoose,
}: {
  version: number;
  isOffered: boolean;
  onChoose(version: number): void;
}) {
  if (!isOffered) return '–';
  return (
    <button
      type="button"
      className="quiet"
      onClick={() => onChoose(version)}
      aria-label={`Activate version ${version}`}
    >
      Activate…
    </button>
  );
}
