import { z } from 'zod';
import { isSecret } from './standard-webhooks.js';

/** Where something is told. What leads to private addresses is refused when it is told, and whenever the name changes. */
export const url = z
  .url({ protocol: /^https?$/ })
  .max(2048)
  .refine((text) => /^[!-~]+$/.test(text), 'must have no spaces and no letters outside ASCII')
  .meta({
    description: 'Where it is told: https, or an address that the operator lists. No redirect is followed',
    examples: ['https://hooks.example.com/thingward'],
  });

/** A secret of Standard Webhooks. */
export const secret = z
  .string()
  .max(128)
  .refine(isSecret, 'must be whsec_ and 24 to 64 octets in base64')
  .meta({
    description: 'What signs it (Standard Webhooks): whsec_ and 24 to 64 octets in base64. It is never shown again',
    examples: ['whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD'],
  });
