const members = ['name', 'match', 'decode', 'time', 'values', 'steps', 'now', 'to', 'forward', 'maxThings'];

// What a step does comes first; a window is also a member of other steps, and comes after those.
const kinds = [
  'outliers',
  'smooth',
  'anomaly',
  'trend',
  'frequency',
  'threshold',
  'deadband',
  'sample',
  'validate',
  'redact',
  'image',
  'call',
  'batch',
  'window',
];

type Members = Record<string, unknown>;

const isObject = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const placed = (value: Members, first: string[]): Members => ({
  ...Object.fromEntries(first.filter((name) => Object.hasOwn(value, name)).map((name) => [name, value[name]])),
  ...value,
});

/** A document with its members in the order in which people read them: the server keeps them in another. */
export function inOrder(document: Members): Members {
  const { steps } = document;
  const ordered = Array.isArray(steps)
    ? { ...document, steps: steps.map((step: unknown) => (isObject(step) ? placed(step, kinds) : step)) }
    : document;
  return placed(ordered, members);
}
