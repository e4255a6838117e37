import { z } from 'zod';
import { decodeCsr } from '../pki/csr/csr.js';
import type { FirstBoot } from './asked.js';
import {
  attributes,
  inAws,
  issuedCertificate,
  links,
  renderedPolicy,
  thing,
  thingName,
  thingType,
  timestamp,
  trust,
} from '../shapes.js';

export const provisionRequest = z
  .strictObject({
    thingName,
    thingType: thingType.optional(),
    csr: z.string().min(1).max(32_768).optional(),
    keyType: z.enum(['ec-p256', 'ec-p384', 'ed25519', 'rsa-2048', 'rsa-3072']).optional(),
    format: z.enum(['pem', 'pkcs12']).optional(),
    password: z.string().min(1).max(256).optional(),
    attributes: attributes.optional(),
  })
  .refine(
    ({ csr, keyType }) => (csr === undefined) !== (keyType === undefined),
    'send a csr, or a keyType for a server-made key',
  )
  .refine(({ csr, format }) => csr === undefined || format === undefined, 'format goes with keyType')
  .refine(
    ({ format, password }) => (format === 'pkcs12') === (password !== undefined),
    'format pkcs12 needs a password',
  );

const tokenPair = z.object({
  accessToken: z.string(),
  tokenType: z.literal('Bearer'),
  expiresIn: z.int(),
  refreshToken: z.string(),
});

export const provisionAnswer = z.object({
  thing,
  certificate: issuedCertificate,
  privateKeyPem: z.string().optional(),
  pkcs12: z.base64().optional(),
  token: tokenPair.optional(),
  policies: z.array(renderedPolicy),
  aws: inAws.optional(),
  serverTime: timestamp,
  links,
});

export const waitingAnswer = z.object({
  status: z.literal('waiting'),
  id: z.uuid(),
  retryAfter: z.int().describe('Seconds until the same request should be sent again'),
});

export const renewRequest = z.strictObject({ csr: z.string().min(1).max(32_768), proof: z.string().min(1).max(8192) });
export const renewAnswer = z.object({
  thing,
  certificate: issuedCertificate,
  policies: z.array(renderedPolicy),
  serverTime: timestamp,
  links,
  trust: trust.optional(),
});

export type ProvisionRequest = z.output<typeof provisionRequest>;
export type RenewRequest = z.output<typeof renewRequest>;

/** What a body asks for. @throws DomainError `bad-csr` */
export function toFirstBoot({
  thingName: name,
  thingType,
  attributes = {},
  csr,
  keyType,
}: ProvisionRequest): FirstBoot {
  return { name, thingType, attributes, key: csr === undefined ? { make: keyType! } : { csr: decodeCsr(csr) } };
}
