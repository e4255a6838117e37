import { decode, type TagDecodeControl } from 'cborg';
import { malformed } from './decoded.js';

const mostLevels = 64;

// RFC 8949 §3.4.4: ten to the exponent, times the mantissa. RFC 8428 §6 lets numbers be written so.
const decimalFraction = 4;
const readFraction = (content: TagDecodeControl): unknown => {
  const value: unknown = content();
  if (!Array.isArray(value) || value.length !== 2) throw malformed('has a decimal fraction of another form');
  const [exponent, mantissa] = value as unknown[];
  if (typeof exponent !== 'number' || typeof mantissa !== 'number')
    throw malformed('has a decimal fraction of another form');
  // The text is rounded once; a product would be twice.
  return Number(`${mantissa}e${exponent}`);
};

/** The value that octets say, its maps still maps. @throws for what is not one well-formed item of CBOR */
export function readCborMaps(payload: Uint8Array): unknown {
  return decode(payload, { useMaps: true, rejectDuplicateMapKeys: true, tags: { [decimalFraction]: readFraction } });
}

/** The value that octets say, with keys as texts. @throws for what is not CBOR, or is nested too deep */
export function readCbor(payload: Uint8Array): unknown {
  return plain(readCborMaps(payload), 0);
}

function plain(value: unknown, level: number): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  if (level === mostLevels) throw malformed(`has more than ${mostLevels} levels`);
  if (Array.isArray(value)) return value.map((each) => plain(each, level + 1));
  if (!(value instanceof Map)) return value;
  const object = Object.create(null) as Record<string, unknown>;
  for (const [key, each] of value) {
    const name = keyOf(key);
    if (name in object) throw malformed('has a key twice');
    object[name] = plain(each, level + 1);
  }
  return object;
}

function keyOf(key: unknown): string {
  if (typeof key === 'string') return key;
  if (typeof key === 'number' || typeof key === 'bigint') return String(key);
  throw malformed('has a key that is no text and no number');
}
