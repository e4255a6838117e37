/** The ordinals of the members of a wave, from 1; `last` is below `first` for a wave without any. */
export type WaveRange = { wave: number; first: number; last: number };

/** Divides so many things by the shares, in percent, up to which each wave goes. The first has one thing at least. */
export function rangesOf(things: number, shares: readonly number[]): WaveRange[] {
  let before = 0;
  return shares.map((share, n) => {
    const first = before + 1;
    before = Math.max(before, Math.ceil((things * share) / 100));
    return { wave: n + 1, first, last: before };
  });
}

/** The share in percent that "2 %" or 2 means. */
export const shareOf = (failures: string | number): number =>
  typeof failures === 'number' ? failures : Number(failures.replace('%', '').trim());

/** Whether more of a wave's things failed than may, besides those that somebody has seen and accepted. */
export function isOver(failed: number, excused: number, { first, last }: WaveRange, mostFailures: number): boolean {
  return failed > excused && ((failed - excused) * 100) / (last - first + 1) > mostFailures;
}
