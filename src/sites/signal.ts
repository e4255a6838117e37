/** Shares of what a site has that are in use, 0 to 1, at a time in milliseconds since 1970. */
export type Sample = { at: number; cpu: number; memory: number };

/** What a site tells whoever adds machines to it, or takes them away. */
export type Signal = 'steady' | 'scale-up' | 'scale-down';

/** The shares that are in use on the average of the last samples, and the larger of them. */
export type Utilization = { cpu: number; memory: number; mean: number };

/** So many samples make an average. */
export const samplesOfMean = 5;

/** Samples further apart than this say nothing of each other. */
export const longestGapMs = 60_000;

/** Where a signal begins, and, further in, where it ends: a load that swings around a border does not make it come and go. */
export const borders = { up: { begins: 0.8, ends: 0.7 }, down: { begins: 0.2, ends: 0.3 } } as const;

/** The samples that count after one more: the last few, without those before a gap or of a clock that was ahead. */
export function withSample(samples: readonly Sample[], next: Sample): Sample[] {
  const last = samples.at(-1);
  const goesOn = last !== undefined && next.at >= last.at && next.at - last.at <= longestGapMs;
  return [...(goesOn ? samples : []), next].slice(-samplesOfMean);
}

/** The average of the last five samples; undefined while there are fewer. */
export function utilizationOf(samples: readonly Sample[]): Utilization | undefined {
  if (samples.length < samplesOfMean) return undefined;
  const meanOf = (read: (sample: Sample) => number): number =>
    samples.reduce((sum, sample) => sum + read(sample), 0) / samples.length;
  const [cpu, memory] = [meanOf((each) => each.cpu), meanOf((each) => each.memory)];
  return { cpu, memory, mean: Math.max(cpu, memory) };
}

/** The signal that follows from the one before. Without an average it stays as it is. */
export function nextSignal(before: Signal, utilization: Utilization | undefined): Signal {
  if (!utilization) return before;
  const { mean } = utilization;
  if (mean > (before === 'scale-up' ? borders.up.ends : borders.up.begins)) return 'scale-up';
  if (mean < (before === 'scale-down' ? borders.down.ends : borders.down.begins)) return 'scale-down';
  return 'steady';
}
