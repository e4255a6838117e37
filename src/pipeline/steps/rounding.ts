/** Of a value that stays the same, smoothing leaves differences that are rounding alone: smaller than this share of it. */
export const rounding = 1e-12;
