/** The transform of real numbers, in place: `re` and `im` have as many places, a power of two. */
export function transform(re: Float64Array, im: Float64Array): void {
  const size = re.length;
  reverseBits(re, im);
  for (let half = 1; half < size; half *= 2) {
    for (let k = 0; k < half; k++) {
      // By the angle itself: a product of rotations would add up its errors.
      const angle = (-Math.PI * k) / half;
      const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
      for (let low = k; low < size; low += half * 2) butterfly(re, im, low, low + half, cos, sin);
    }
  }
}

function butterfly(re: Float64Array, im: Float64Array, low: number, high: number, cos: number, sin: number): void {
  const real = re[high]! * cos - im[high]! * sin;
  const imaginary = re[high]! * sin + im[high]! * cos;
  re[high] = re[low]! - real;
  im[high] = im[low]! - imaginary;
  re[low]! += real;
  im[low]! += imaginary;
}

function reverseBits(re: Float64Array, im: Float64Array): void {
  const size = re.length;
  for (let index = 1, other = 0; index < size; index++) {
    let bit = size >> 1;
    for (; other & bit; bit >>= 1) other ^= bit;
    other ^= bit;
    if (index >= other) continue;
    [re[index], re[other]] = [re[other]!, re[index]!];
    [im[index], im[other]] = [im[other]!, im[index]!];
  }
}
