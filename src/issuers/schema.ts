import { z } from 'zod';
import { named } from '../api/named.js';
import { timestamp } from '../shapes.js';
import { preparedKinds } from './rotation.js';
import { issuerStatuses } from './stored.js';

const id = z
  .string()
  .regex(/^[0-9a-f]{16}$/, 'must be 16 lower-case hex digits')
  .meta({ description: 'The id of a certificate authority', examples: ['3f2a9c41b07d5e68'] });

const settings = {
  listSuperseded: z.boolean().describe('List and answer certificates that a renewal superseded as revoked'),
  shards: z
    .int()
    .min(0)
    .max(1024)
    .describe('Lists that new certificates are spread over; 0 for the complete one alone'),
  deltaList: z.boolean().describe('Publish /crl/{issuerId}/delta.crl beside the complete list'),
  distributionPoint: z.boolean().describe('Name the distribution point in the complete list (critical)'),
  listMaxAge: z.int().min(0).max(86_400).describe('Seconds that caches may keep lists without asking'),
};

export const issuer = named(
  'Issuer',
  'A certificate authority',
  z.object({
    id,
    kind: z
      .enum(['root', 'issuing', 'intermediate'])
      .describe('`root` signs CAs; `issuing` signs devices, and so does an `intermediate` that others signed'),
    status: z
      .enum(issuerStatuses)
      .describe('`waiting` for its certificate, `prepared`, `active` while it issues, `retired` after that'),
    keyPlace: z.enum(['here', 'elsewhere']).describe('Who has its key and signs its list'),
    parent: id.optional().describe('The id of the authority that signed it; a root has none'),
    notBefore: timestamp.optional().describe('When its certificate begins to be valid; absent while it waits for one'),
    notAfter: timestamp.optional().describe('When its certificate, or the first one above it, expires'),
    activatedAt: timestamp.optional().describe('When it was last activated'),
    retiredAt: timestamp.optional().describe('When another was activated, or this one was given up'),
    listEnds: timestamp
      .optional()
      .describe(
        'When its list ends that was imported; absent where the list is made here, and where none was imported',
      ),
    crl: z.url().describe('Where its list is'),
    ...settings,
  }),
);

export const issuers = named(
  'Issuers',
  'The certificate authorities',
  z.object({ items: z.array(issuer).describe('All of them') }),
);

export const issuerPatch = named(
  'IssuerPatch',
  'How an authority publishes what it revoked',
  z.strictObject(settings).partial(),
).meta({ examples: [{ listMaxAge: 300 }] });

export const newIssuer = named(
  'NewIssuer',
  'A certificate authority to prepare',
  z.strictObject({
    kind: z
      .enum(preparedKinds)
      .describe('`issuing` is signed by the root of the account, `intermediate` by your own root'),
  }),
).meta({ examples: [{ kind: 'intermediate' }] });

const pem = (about: string) => z.string().min(1).max(65_536).describe(about);

export const issuerCertificate = named(
  'IssuerCertificate',
  'The certificate of an intermediate',
  z.strictObject({
    certificate: pem('PEM: the certificate, and behind it the chain if `chain` is absent'),
    chain: pem('PEM: every certificate above it, up to the root, in any order').optional(),
  }),
).meta({ examples: [{ certificate: '-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n' }] });

export const issuerParams = z.strictObject({ id });
