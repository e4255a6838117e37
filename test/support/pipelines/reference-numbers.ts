// By their definitions.

/** A number and when it is from. */
export type Point = { time: number; value: number };

export const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0);
export const mean = (numbers: number[]) => numbers[0]! + sum(numbers.map((x) => x - numbers[0]!)) / numbers.length;
export const variance = (numbers: number[]) => sum(numbers.map((x) => (x - mean(numbers)) ** 2)) / numbers.length;
export const median = (numbers: number[]) => {
  const sorted = [...numbers].sort((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
};
export const percentile = (numbers: number[], p: number) => {
  const sorted = [...numbers].sort((a, b) => a - b);
  const h = ((numbers.length - 1) * p) / 100;
  const low = sorted[Math.floor(h)]!;
  return low + (h - Math.floor(h)) * ((sorted[Math.floor(h) + 1] ?? low) - low);
};
export const isNumber = (value: unknown): value is number => typeof value === 'number';

export const weighted = (all: number[], alpha: number) =>
  all[0]! + sum(all.map((x, k) => (x - all[0]!) * (k === 0 ? 1 : alpha) * (1 - alpha) ** (all.length - 1 - k)));
export const weightedVariance = (all: number[], alpha: number) =>
  sum(
    all.map((x, k) =>
      k === 0 ? 0 : alpha * (x - weighted(all.slice(0, k), alpha)) ** 2 * (1 - alpha) ** (all.length - k),
    ),
  );

export function score(value: number, middle: number, spread: number): number {
  if (Math.abs(value - middle) <= 1e-12 * Math.abs(middle)) return 0;
  return spread > 0 ? Math.min(Math.abs(value - middle) / Math.sqrt(spread) / 3, 1) : 1;
}

export function slope(points: Point[]): number | undefined {
  if (points.length < 3) return undefined;
  const times = points.map(({ time }) => (time - points[0]!.time) / 1000);
  const values = points.map(({ value }) => value);
  const spread = sum(times.map((t) => (t - mean(times)) ** 2));
  if (spread === 0) return undefined;
  return sum(times.map((t, k) => (t - mean(times)) * (values[k]! - mean(values)))) / spread;
}

/** By the definition of the transform. */
export function dominant(points: Point[]): number | undefined {
  const { length } = points;
  const seconds = (points.at(-1)!.time - points[0]!.time) / 1000;
  if (seconds <= 0) return undefined;
  const all = points.map(({ value }) => value);
  const middle = mean(all);
  const values = all.map((value) => value - middle);
  const largest = Math.max(...values.map(Math.abs));
  if (largest <= 1e-12 * Math.abs(middle)) return undefined;
  let best: { k: number; power: number } | undefined;
  for (let k = 1; k <= length / 2; k++) {
    const angle = (n: number) => (2 * Math.PI * ((k * n) % length)) / length;
    const power =
      sum(values.map((x, n) => x * Math.cos(angle(n)))) ** 2 + sum(values.map((x, n) => x * Math.sin(angle(n)))) ** 2;
    if (power > (best?.power ?? 1e-20 * length ** 2 * largest ** 2) * (1 + 1e-9)) best = { k, power };
  }
  return best && best.k / ((seconds * length) / (length - 1));
}
