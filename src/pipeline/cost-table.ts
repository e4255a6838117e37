/**
 * What pipelines cost, as bench/pipeline-costs.ts measures it: microseconds of one processor, and octets. Measured with Node 22 on one processor
 * of a virtual machine (x86-64), rounded up. Edges that run a pipeline say what it really costs them, and that counts before this.
 */
export const costTable = {
  /** Keeping a message in the journal. */
  taken: 15,
  /** Reading it, and each of its values. */
  decoded: 2.5,
  value: 0.1,
  /** A publication, and each of its records. */
  published: 12,
  record: 2,
  /** Of each message and value, and of each number that a step looks at. */
  step: {
    outliers: { each: 0.1, number: 0.09 },
    smooth: { each: 0.1, number: 0.002 },
    anomaly: { each: 0.1, number: 0.001 },
    trend: { each: 0.1, number: 0.005 },
    frequency: { each: 0.1, number: 0.001 },
    window: { each: 0.1, number: 0.004 },
    threshold: { each: 0.1, number: 0 },
    deadband: { each: 0.1, number: 0 },
    sample: { each: 0.1, number: 0 },
    validate: { each: 1, number: 0 },
    redact: { each: 0.1, number: 0 },
    batch: { each: 0.1, number: 0 },
  },
  /** Octets of a thing, of each number that is kept of it, and of each number in a batch. */
  thing: 700,
  number: 8,
  waiting: 16,
} as const;
