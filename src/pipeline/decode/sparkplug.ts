import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { pipelineLimits } from '../limits.js';
import { malformed, type Decoded, type DecoderState, type Metric } from './decoded.js';

// The numbers of the fields are those of sparkplug_b.proto, Eclipse Sparkplug 3.0, §6.4.
const ofPayload = { timestamp: 1, metrics: 2 } as const;
const signedBits = new Map([
  [1, 8],
  [2, 16],
  [3, 32],
]);
const int64 = 4;
const longestName = 1024;

type Read = { name?: string; alias?: string; timestamp?: number; datatype?: number; isNull: boolean; value?: Value };
type Value = { field: number; is: unknown };

/** The messages of a Sparkplug B payload, one for each time. @throws for what is none, or names an alias not known */
export function readSparkplug(payload: Uint8Array, at: number, state: DecoderState): Decoded[] {
  const reader = new BinaryReader(payload);
  const metrics: Read[] = [];
  let timestamp: number | undefined;
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === ofPayload.timestamp) timestamp = readTime(reader, type);
    else if (field === ofPayload.metrics) metrics.push(readMetric(readOctets(reader, type)));
    else reader.skip(type, field);
    if (metrics.length > pipelineLimits.recordsOfMessage) throw malformed('has too many metrics');
  }
  const byTime = new Map<number, Record<string, unknown>>();
  for (const metric of metrics) {
    const known = introduce(metric, state);
    const time = metric.timestamp ?? timestamp ?? at;
    const message = byTime.get(time) ?? (Object.create(null) as Record<string, unknown>);
    byTime.set(time, message);
    message[known.name] = metric.isNull ? null : meaningOf(metric.value, metric.datatype ?? known.datatype);
  }
  return [...byTime].map(([time, message]) => ({ time, message }));
}

/** A metric by its name, or by the alias that it was given with its name before. */
function introduce({ name, alias, datatype }: Read, state: DecoderState): Metric {
  if (name === undefined) {
    const known = alias === undefined ? undefined : state.aliases?.get(alias);
    if (!known) throw malformed('names an alias that was not introduced: a birth message is missing');
    return known;
  }
  const metric = { name, datatype };
  state.aliases ??= new Map();
  const key = alias ?? `=${name}`;
  // Later messages leave the type out too.
  const known = state.aliases.get(key);
  if (datatype === undefined && known?.name === name) return known;
  if (datatype === undefined && alias === undefined) return metric;
  if (!known && state.aliases.size >= pipelineLimits.aliases) throw malformed('introduces too many metrics');
  state.aliases.set(key, metric);
  return metric;
}

function readMetric(octets: Uint8Array): Read {
  const reader = new BinaryReader(octets);
  const metric: Read = { isNull: false };
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    readField(reader, field, type, metric);
  }
  return metric;
}

function readField(reader: BinaryReader, field: number, type: WireType, metric: Read): void {
  switch (field) {
    case 1:
      metric.name = readText(reader, type);
      if (metric.name === '' || metric.name.length > longestName) throw malformed('has a metric without a name of use');
      return;
    case 2:
      metric.alias = String(readLong(reader, type));
      return;
    case 3:
      metric.timestamp = readTime(reader, type);
      return;
    case 4:
      metric.datatype = Number(readLong(reader, type));
      return;
    case 7:
      metric.isNull = readLong(reader, type) !== 0n;
      return;
    default:
      if (field >= 10 && field <= 19) metric.value = { field, is: readValue(reader, field, type) };
      else reader.skip(type, field);
  }
}

/** A scalar; what is not one is left out. */
function readValue(reader: BinaryReader, field: number, type: WireType): unknown {
  switch (field) {
    case 10:
    case 11:
      return readLong(reader, type);
    case 12:
      requireType(type, WireType.Bit32);
      return reader.float();
    case 13:
      requireType(type, WireType.Bit64);
      return reader.double();
    case 14:
      return readLong(reader, type) !== 0n;
    case 15:
      return readText(reader, type);
    default:
      reader.skip(type, field);
      return undefined;
  }
}

/** Whole numbers travel unsigned; their type says whether they are signed. */
function meaningOf(value: Value | undefined, datatype: number | undefined): unknown {
  if (typeof value?.is !== 'bigint') return value?.is;
  const bits = datatype === int64 ? 64 : signedBits.get(datatype ?? 0);
  return Number(bits === undefined ? value.is : BigInt.asIntN(bits, value.is));
}

function requireType(type: WireType, wanted: WireType): void {
  if (type !== wanted) throw malformed('has a field of another type');
}

function readOctets(reader: BinaryReader, type: WireType): Uint8Array {
  requireType(type, WireType.LengthDelimited);
  return reader.bytes();
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function readText(reader: BinaryReader, type: WireType): string {
  return utf8.decode(readOctets(reader, type));
}

function readLong(reader: BinaryReader, type: WireType): bigint {
  requireType(type, WireType.Varint);
  return BigInt.asUintN(64, BigInt(reader.uint64()));
}

function readTime(reader: BinaryReader, type: WireType): number {
  return Number(readLong(reader, type));
}
