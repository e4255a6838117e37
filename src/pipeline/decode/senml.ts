import { pipelineLimits } from '../limits.js';
import { malformed, type Decoded } from './decoded.js';
import { readCborMaps } from './cbor.js';
import { readJson, requireList } from './json.js';

// RFC 8428 §6, table 4.
const labels = new Map<unknown, string>([
  [-1, 'bver'],
  [-2, 'bn'],
  [-3, 'bt'],
  [-4, 'bu'],
  [-5, 'bv'],
  [-6, 'bs'],
  [0, 'n'],
  [1, 'u'],
  [2, 'v'],
  [3, 'vs'],
  [4, 'vb'],
  [5, 's'],
  [6, 't'],
  [7, 'ut'],
  [8, 'vd'],
]);
const nameForm = /^[A-Za-z0-9][-A-Za-z0-9:./_]*$/;
const longestName = 1024;
const newestVersion = 10;
// §4.5.3: below this a time is relative to now, in seconds.
const absolute = 2 ** 28;

type Fields = ReadonlyMap<string, unknown>;
type Base = { name: string; time: number; value: number; sum: number };

/** The messages of a pack, one for each time (RFC 8428, JSON). @throws for what is none */
export function readSenmlJson(payload: Uint8Array, at: number): Decoded[] {
  return resolve(requireList(readJson(payload)).map(ofObject), at);
}

/** The same in CBOR. @throws for what is none */
export function readSenmlCbor(payload: Uint8Array, at: number): Decoded[] {
  return resolve(requireList(readCborMaps(payload)).map(ofMap), at);
}

function ofObject(value: unknown): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw malformed('has a record that is no object');
  return new Map(Object.entries(value));
}

function ofMap(value: unknown): Fields {
  if (!(value instanceof Map)) throw malformed('has a record that is no map');
  const fields = new Map<string, unknown>();
  for (const [key, each] of value) {
    const name = typeof key === 'string' ? key : labels.get(key);
    // Labels of fields that are not known are ignored (§4.4); their names ending in _ are not.
    if (name !== undefined) fields.set(name, typeof each === 'bigint' ? Number(each) : each);
  }
  return fields;
}

function resolve(records: Fields[], at: number): Decoded[] {
  if (records.length === 0 || records.length > pipelineLimits.recordsOfMessage)
    throw malformed('has no record, or too many');
  const base: Base = { name: '', time: 0, value: 0, sum: 0 };
  const byTime = new Map<number, Record<string, unknown>>();
  for (const fields of records) {
    requireKnown(fields);
    readBase(fields, base);
    const name = nameOf(fields, base);
    const seconds = base.time + numberOf(fields, 't', 0);
    const time = Math.round((seconds < absolute ? at / 1000 + seconds : seconds) * 1000);
    const message = byTime.get(time) ?? (Object.create(null) as Record<string, unknown>);
    byTime.set(time, message);
    message[name] = valueOf(fields, base);
  }
  return [...byTime].map(([time, message]) => ({ time, message }));
}

function requireKnown(fields: Fields): void {
  for (const name of fields.keys()) {
    if (name.endsWith('_')) throw malformed('has a field that must be understood, and is not known');
  }
  const version = fields.get('bver');
  if (
    version !== undefined &&
    (!Number.isInteger(version) || (version as number) < 1 || (version as number) > newestVersion)
  )
    throw malformed('has another version of SenML');
}

function readBase(fields: Fields, base: Base): void {
  const name = fields.get('bn');
  if (name !== undefined && typeof name !== 'string') throw malformed('has a base name that is no text');
  base.name = name ?? base.name;
  base.time = numberOf(fields, 'bt', base.time);
  base.value = numberOf(fields, 'bv', base.value);
  base.sum = numberOf(fields, 'bs', base.sum);
}

function nameOf(fields: Fields, base: Base): string {
  const own = fields.get('n') ?? '';
  if (typeof own !== 'string') throw malformed('has a name that is no text');
  const name = base.name + own;
  if (name.length > longestName || !nameForm.test(name)) throw malformed('has a name that is none of SenML');
  return name;
}

/** A record has one value; with a sum it may have none, and then the sum is what it says. */
function valueOf(fields: Fields, base: Base): unknown {
  const values = ['v', 'vs', 'vb', 'vd'].filter((name) => fields.has(name));
  const [kind] = values;
  if (values.length > 1 || (kind === undefined && !fields.has('s'))) throw malformed('has a record without one value');
  if (kind === undefined) return base.sum + numberOf(fields, 's', 0);
  const value = fields.get(kind);
  if (kind === 'v') return base.value + numberOf(fields, 'v', 0);
  const wanted = kind === 'vb' ? 'boolean' : 'string';
  const isOctets = kind === 'vd' && value instanceof Uint8Array;
  if (typeof value !== wanted && !isOctets) throw malformed(`has a ${kind} of another type`);
  return value;
}

function numberOf(fields: Fields, name: string, absent: number): number {
  const value = fields.get(name);
  if (value === undefined) return absent;
  if (typeof value !== 'number' || !Number.isFinite(value)) throw malformed(`has a ${name} that is no number`);
  return value;
}
