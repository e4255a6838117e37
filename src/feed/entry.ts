import { rfc3339 } from '../clock.js';
import type { LogEntry } from '../log/reader.js';

/** An entry as the feed shows it. Documents and attributes stay inside: a follower drops what an entry names. */
export function describeEntry({ position, at, type, payload }: LogEntry): Record<string, unknown> {
  const { document: _, attributes: __, policies: ___, segment, ...shown } = payload;
  const segmentName = typeof segment === 'string' ? { segment } : {};
  return { position, at: rfc3339(at), type, ...shown, ...segmentName };
}
