/** How a value is compared with a threshold. */
export const conditions = ['greater_than', 'less_than', 'equals', 'greater_equal', 'less_equal'] as const;

/** One of {@link conditions}. */
export type Condition = (typeof conditions)[number];

/** What a rule says, and since when its condition is met. */
export type Judged = {
  condition: Condition;
  threshold: number;
  forSeconds: number;
  cooldownSeconds: number;
  metSince: Date | null;
};

/** The alert of a rule that is not resolved. */
export type Open = { acknowledged: boolean; notifiedAt: Date };

/** What follows from a value: nothing, that a time begins or ends to be counted, or that somebody is told. */
export type Step = 'none' | 'meet' | 'forget' | 'fire' | 'again' | 'resolve';

const compare: Record<Condition, (value: number, threshold: number) => boolean> = {
  greater_than: (value, threshold) => value > threshold,
  less_than: (value, threshold) => value < threshold,
  equals: (value, threshold) => value === threshold,
  greater_equal: (value, threshold) => value >= threshold,
  less_equal: (value, threshold) => value <= threshold,
};

/** What a rule does at a value. Without a figure nothing changes. */
export function judge(rule: Judged, open: Open | undefined, value: number | undefined, at: Date): Step {
  if (value === undefined) return 'none';
  if (!compare[rule.condition](value, rule.threshold)) {
    if (open) return 'resolve';
    return rule.metSince ? 'forget' : 'none';
  }
  if (open) return isDueAgain(rule, open, at) ? 'again' : 'none';
  const metFor = rule.metSince ? at.getTime() - rule.metSince.getTime() : 0;
  if (metFor >= rule.forSeconds * 1000) return 'fire';
  return rule.metSince ? 'none' : 'meet';
}

const isDueAgain = ({ cooldownSeconds }: Judged, { acknowledged, notifiedAt }: Open, at: Date): boolean =>
  !acknowledged && at.getTime() - notifiedAt.getTime() >= cooldownSeconds * 1000;
