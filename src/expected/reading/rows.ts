import { z } from 'zod';
import { DomainError } from '../../errors.js';
import { mostOfUpload } from '../../limits.js';
import { attributes, policyName, segmentName, thingName, thingType } from '../../shapes.js';
import { columnsOf, parseJson, UnreadableRow } from './csv.js';
import type { Line } from './lines.js';

/** How an upload is written. */
export type UploadForm = 'ndjson' | 'csv';

const isStorable = (text: string): boolean => !/[\0\p{Cs}]/u.test(text) && !text.startsWith('\uFEFF');

/** A row of an upload: a thing that is expected. Absent members are as the enrollment says. */
export const expectedRow = z.strictObject({
  name: thingName,
  type: thingType.optional(),
  attributes: attributes.refine((all) => Object.values(all).every(isStorable), 'must be plain text').optional(),
  segment: segmentName.optional(),
  policies: z.array(policyName).min(1).max(20).optional(),
  keySha256: z
    .string()
    .max(95)
    .transform((text) => text.replaceAll(':', '').toLowerCase())
    .refine((text) => /^[0-9a-f]{64}$/.test(text), 'must be the SHA-256 of the public key, in 64 hex digits')
    .optional(),
  code: z
    .string()
    .regex(/^[!-~]{6,128}$/, 'must be 6 to 128 characters of ASCII without spaces')
    .optional(),
});

/** A row that can be taken. */
export type ExpectedRow = z.output<typeof expectedRow>;

/** What came of a line. */
export type ReadRow = { line: number; row: ExpectedRow } | { line: number; name?: string; reason: string };

/** Reads the rows of an upload, one line each; a bad row stops nothing. @throws DomainError `invalid-request`, `payload-too-large` */
export async function* rowsOf(form: UploadForm, lines: AsyncIterable<Line[]>): AsyncGenerator<ReadRow[]> {
  let read: ((text: string) => unknown) | undefined = form === 'ndjson' ? parseJson : undefined;
  let count = 0;
  for await (const group of lines) {
    const rows: ReadRow[] = [];
    for (const line of group) {
      if (!read) read = columnsOf(line.unreadable === undefined ? line.text : '');
      else if (++count > mostOfUpload.rows) throw tooManyRows();
      else rows.push(readRow(line, read));
    }
    if (rows.length > 0) yield rows;
  }
}

function readRow(line: Line, read: (text: string) => unknown): ReadRow {
  const { number } = line;
  if (line.unreadable !== undefined) return { line: number, reason: line.unreadable };
  try {
    const value = read(line.text);
    const { data, error } = expectedRow.safeParse(withoutNulls(value));
    if (data) return { line: number, row: data };
    const [issue] = error.issues;
    const name = thingName.safeParse((value as { name?: unknown } | null)?.name).data;
    const reason = `${issue!.path.map(String).join('.') || 'the row'}: ${issue!.message}`.slice(0, 300);
    return { line: number, ...(name === undefined ? {} : { name }), reason };
  } catch (error) {
    if (error instanceof UnreadableRow) return { line: number, reason: error.message };
    throw error;
  }
}

function withoutNulls(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== null));
}

function tooManyRows(): DomainError {
  return new DomainError(
    'payload-too-large',
    `an upload has at most ${mostOfUpload.rows} rows, and those are kept: send the rest in another`,
  );
}
