import { DomainError } from '../errors.js';
import type { LogCursor } from '../log/cursor.js';

/** Where a page of a snapshot starts: its part, what was last of it on the page before, and the place of the whole. */
export type PageMark = LogCursor & { part: 'policies' | 'segments' | 'pipelines' | 'recent'; after: string };

const form = /^([0-9a-f-]{36}):(\d{1,15}) (policies|segments|pipelines|recent) ([A-Za-z0-9_-]{0,64})$/;

/** A mark as callers pass it around. */
export function encodeMark({ epoch, position, part, after }: PageMark): string {
  return Buffer.from(`${epoch}:${position} ${part} ${after}`).toString('base64url');
}

/** @throws DomainError `invalid-request` for anything that {@link encodeMark} does not write */
export function parseMark(text: string): PageMark {
  const match = form.exec(Buffer.from(text, 'base64url').toString('utf8'));
  if (!match) throw new DomainError('invalid-request', 'page: follow the next of this snapshot unchanged');
  const [, epoch, position, part, after] = match as unknown as [string, string, string, PageMark['part'], string];
  return { epoch, position: Number(position), part, after: part === 'recent' ? String(Number(after) || 0) : after };
}
