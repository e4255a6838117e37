import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A span as it was sent. */
export type SentSpan = {
  service: string | undefined;
  traceId: string;
  spanId: string;
  parentId: string;
  name: string;
  kind: number;
  nanoseconds: bigint;
  attributes: Record<string, string | number>;
  status: number;
};

type Field = { field: number; value: bigint | Buffer };

/** The fields of a message of Protocol Buffers, by its wire format alone. */
function* fieldsOf(bytes: Buffer): Generator<Field> {
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const octet = bytes[at++]!;
      value |= BigInt(octet & 127) << shift;
      if (octet < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const [field, type] = [tag >> 3, tag & 7];
    if (type === 0) yield { field, value: varint() };
    else if (type === 1) yield { field, value: bytes.readBigUInt64LE((at += 8) - 8) };
    else if (type === 5) yield { field, value: BigInt(bytes.readUInt32LE((at += 4) - 4)) };
    else if (type === 2) {
      const length = Number(varint());
      yield { field, value: bytes.subarray(at, (at += length)) };
    } else throw new Error(`a field of the wire type ${type}`);
  }
}

const all = (bytes: Buffer, wanted: number): Buffer[] =>
  [...fieldsOf(bytes)].filter(({ field }) => field === wanted).map(({ value }) => value as Buffer);
const one = (bytes: Buffer, wanted: number): Field['value'] | undefined =>
  [...fieldsOf(bytes)].find(({ field }) => field === wanted)?.value;
const hex = (value: Field['value'] | undefined): string => (value as Buffer | undefined)?.toString('hex') ?? '';

function attributesOf(bytes: Buffer, field: number): SentSpan['attributes'] {
  const pairs = all(bytes, field).map((pair): [string, string | number] => {
    const [{ value }] = [...fieldsOf(one(pair, 2) as Buffer)] as [Field];
    return [String(one(pair, 1)), typeof value === 'bigint' ? Number(value) : value.toString('utf8')];
  });
  return Object.fromEntries(pairs);
}

/** Reads an ExportTraceServiceRequest of OTLP 1. */
export function spansIn(bytes: Buffer): SentSpan[] {
  return all(bytes, 1).flatMap((resourceSpans) => {
    const resource = attributesOf(all(resourceSpans, 1)[0]!, 1);
    return all(resourceSpans, 2)
      .flatMap((scopeSpans) => all(scopeSpans, 2))
      .map((span) => ({
        service: resource['service.name'] as string | undefined,
        traceId: hex(one(span, 1)),
        spanId: hex(one(span, 2)),
        parentId: hex(one(span, 4)),
        name: String(one(span, 5)),
        kind: Number(one(span, 6)),
        nanoseconds: (one(span, 8) as bigint) - (one(span, 7) as bigint),
        attributes: attributesOf(span, 9),
        status: Number(one((one(span, 15) as Buffer | undefined) ?? Buffer.alloc(0), 3) ?? 0n),
      }));
  });
}

/** A collector of traces on loopback: OTLP over HTTP with Protocol Buffers. */
export async function startCollector() {
  const spans: SentSpan[] = [];
  const requests: { path: string; headers: IncomingHttpHeaders }[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      requests.push({ path: request.url!, headers: request.headers });
      spans.push(...spansIn(Buffer.concat(chunks)));
      response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    requests,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
