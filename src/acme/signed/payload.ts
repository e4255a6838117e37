import type { z } from 'zod';
import { readOctets, type Jws } from './jws.js';
import { refusal } from '../problem.js';
import { shaped } from '../schema.js';

/** What a request says. @throws DomainError `malformed` */
export function payloadOf<Shape extends z.ZodType>({ payload }: Jws, shape: Shape): z.output<Shape> {
  return shaped(shape, readOctets(payload, 'payload'));
}

/** Whether a request only reads (POST-as-GET, RFC 8555 §6.3). */
export const isRead = ({ payload }: Jws): boolean => payload.length === 0;

/** @throws DomainError `malformed` unless a request only reads */
export function requireRead(jws: Jws): void {
  if (!isRead(jws)) throw refusal('malformed', 'payload has to be empty, to read: see RFC 8555 §6.3');
}
