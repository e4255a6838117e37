import type { Guest } from '../gate.js';

/** What a device says became of a command. */
export type Answered = { id: string; status: 'acknowledged' | 'failed'; result?: unknown };

const mostOctets = 65_536;
/** Larger or deeper ones, and those that the control plane refuses, are not kept: the status alone counts then. */
const kept = { octets: 8192, depth: 32 };
const uuidForm = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const nameForm = /^[A-Za-z0-9_-]{1,64}$/;

/** The id of the command that a topic answers for a guest; undefined for every other topic. */
export function answeredIn(topic: string, { account, thingName }: Guest): string | undefined {
  const [first, second, third, name = '', id = '', last, ...more] = topic.split('/', 8);
  const isOwn = first === account && second === thingName && third === 'commands' && last === 'result';
  return isOwn && more.length === 0 && nameForm.test(name) && uuidForm.test(id) ? id : undefined;
}

/** Reads an answer; undefined for what is none. */
export function readAnswer(id: string, payload: Buffer): Answered | undefined {
  if (payload.length > mostOctets) return undefined;
  const said = parsed(payload);
  const status = typeof said === 'object' && said !== null ? (said as { status?: unknown }).status : undefined;
  if (status !== 'acknowledged' && status !== 'failed') return undefined;
  const fits = isPlain(said, kept.depth) && Buffer.byteLength(JSON.stringify(said)) <= kept.octets;
  return { id, status, ...(fits ? { result: said } : {}) };
}

function parsed(payload: Buffer): unknown {
  try {
    return JSON.parse(payload.toString('utf8'));
  } catch {
    return undefined;
  }
}

const refusedNames: ReadonlySet<string> = new Set(['__proto__', 'constructor']);

/** Whether the control plane takes a value: one that is not nested deep, of texts that every database can hold. */
function isPlain(value: unknown, most: number): boolean {
  if (typeof value === 'string') return isText(value);
  if (typeof value !== 'object' || value === null) return true;
  if (most === 0) return false;
  return Object.entries(value).every(
    ([name, each]) => isText(name) && !refusedNames.has(name) && isPlain(each, most - 1),
  );
}

function isText(text: string): boolean {
  return !/[\0\p{Cs}]|^\uFEFF/u.test(text);
}
