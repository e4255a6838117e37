import { z } from 'zod';
import { named } from '../api/named.js';
import { decodeCsr } from '../pki/csr/csr.js';
import { DomainError } from '../errors.js';
import type { FirstBoot } from './asked.js';
import type { Manufactured } from './admission/manufactured.js';
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
  uuid,
} from '../shapes.js';

export const provisionRequest = named(
  'ProvisionRequest',
  'A first boot: send a csr, or a keyType',
  z
    .strictObject({
      thingName: thingName
        .optional()
        .describe('The name of the thing; a certificate of its manufacturer names it otherwise'),
      thingType: thingType.optional(),
      csr: z
        .string()
        .min(1)
        .max(32_768)
        .optional()
        .describe('A certificate request (PKCS #10) in PEM, or DER in base64'),
      keyType: z
        .enum(['ec-p256', 'ec-p384', 'ed25519', 'rsa-2048', 'rsa-3072'])
        .optional()
        .describe('The kind of key that the server makes, if there is no csr'),
      format: z.enum(['pem', 'pkcs12']).optional().describe('How a key that the server makes is sent; pem by default'),
      password: z.string().min(1).max(256).optional().describe('Of the PKCS #12 file'),
      attributes: attributes.optional().describe('Those that the enrollment lets devices set'),
      proof: z
        .string()
        .min(1)
        .max(32_768)
        .optional()
        .describe(
          "In place of an enrollment token: a JWT of typ provision+jwt by the key of a manufacturer's certificate",
        ),
      enrollment: uuid
        .optional()
        .describe(
          "In place of an enrollment token, where TLS shows a manufacturer's certificate: whose devices it admits",
        ),
      code: z.string().min(1).max(128).optional().describe('The one-time code of a thing that is expected with one'),
    })
    .refine(
      ({ csr, keyType }) => (csr === undefined) !== (keyType === undefined),
      'send a csr, or a keyType for a server-made key',
    )
    .refine(({ csr, format }) => csr === undefined || format === undefined, 'format goes with keyType')
    .refine(
      ({ format, password }) => (format === 'pkcs12') === (password !== undefined),
      'format pkcs12 needs a password',
    ),
).meta({ examples: [{ thingName: 'pump-17', keyType: 'ec-p256' }] });

const tokenPair = named(
  'TokenPair',
  'The first tokens of a device',
  z.object({
    accessToken: z.string().describe('The access token, a JWT'),
    tokenType: z.literal('Bearer').describe('How the token is sent'),
    expiresIn: z.int().describe('Seconds until the access token expires'),
    refreshToken: z.string().describe('Gets the next access token at /v1/token'),
  }),
);
const policies = z.array(renderedPolicy).describe('Its policies, rendered for this thing');
const serverTime = timestamp.describe('The time of the server, for devices without a clock');

export const provisionAnswer = named(
  'Provisioned',
  'The identity of a device',
  z.object({
    thing,
    certificate: issuedCertificate,
    privateKeyPem: z.string().optional().describe('The key that the server made, in PKCS #8; it is shown once'),
    pkcs12: z
      .base64()
      .meta({ examples: ['MIIKXAIBAzCC'] })
      .optional()
      .describe('Key, certificate and chain as a PKCS #12 file, in base64'),
    token: tokenPair.optional().describe('Absent from a repeated answer once the thing has used one'),
    policies,
    aws: inAws.optional(),
    serverTime,
    links,
  }),
);

export const waitingAnswer = named(
  'Waiting',
  'A device that waits until an operator approves it',
  z.object({
    status: z.literal('waiting').describe('It has no identity yet'),
    id: uuid.describe('The id of the waiting device'),
    retryAfter: z.int().describe('Seconds until the same request should be sent again'),
  }),
);

export const renewRequest = named(
  'RenewRequest',
  'A certificate request for a new key, and a proof of the present one',
  z.strictObject({
    csr: z.string().min(1).max(32_768).describe('A certificate request (PKCS #10) in PEM, or DER in base64'),
    proof: z.string().min(1).max(8192).describe('A JWT of typ renew+jwt, signed by the present device key'),
  }),
).meta({ examples: [{ csr: '-----BEGIN CERTIFICATE REQUEST-----...', proof: 'eyJ...' }] });
export const renewAnswer = named(
  'Renewed',
  'The next certificate of a device',
  z.object({
    thing,
    certificate: issuedCertificate,
    policies,
    serverTime,
    links,
    trust: trust.optional(),
  }),
);

export type ProvisionRequest = z.output<typeof provisionRequest>;
export type RenewRequest = z.output<typeof renewRequest>;

/** What a body asks for, and what its sender proved. @throws DomainError `bad-csr`, `invalid-request`, `outside-enrollment` */
export function toFirstBoot(body: ProvisionRequest, manufactured?: Manufactured): FirstBoot {
  const { thingType, attributes = {}, csr, keyType, code } = body;
  const key = csr === undefined ? { make: keyType! } : { csr: decodeCsr(csr) };
  return { name: nameIn(body, manufactured), thingType, attributes, key, code, manufactured };
}

function nameIn({ thingName: asked }: ProvisionRequest, manufactured: Manufactured | undefined): string {
  const name = manufactured?.name ?? asked;
  if (name === undefined)
    throw new DomainError('invalid-request', 'body/thingName: name the thing; /docs shows the shape');
  if (asked === undefined || asked === name) return name;
  throw new DomainError('outside-enrollment', `the manufacturer's certificate is that of ${name}: leave thingName out`);
}
