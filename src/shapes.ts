import { z } from 'zod';
import { permissions, roles } from './access/permissions.js';
import { cursorForm } from './log/cursor.js';
import { certificateLife, mostGraceSeconds } from './limits.js';
import { named } from './api/named.js';
import { serialDigits } from './pki/serial-number.js';

/** The shapes that several features' requests and answers share, in the words of the product. */

export const accountName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must be lower-case letters, digits and hyphens, at most 63')
  .meta({ description: 'The name of an account', examples: ['acme'] });
/** How names are written, for those that read them from elsewhere than a request. */
export const thingNameForm = /^[A-Za-z0-9:_-]{1,128}$/;
export const thingTypeForm = /^[A-Za-z0-9_-]{1,64}$/;
export const attributeNameForm = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;
const wordForm = /^[A-Za-z0-9_-]{1,64}$/;
const asWord = 'must be 1 to 64 letters, digits, and _ -';

export const thingName = z
  .string()
  .regex(thingNameForm, 'must be 1 to 128 letters, digits, and : _ -')
  .meta({ description: 'The name of a thing', examples: ['pump-17'] });
export const thingType = z
  .string()
  .regex(thingTypeForm, asWord)
  .meta({ description: 'The type of a thing: any word', examples: ['pump'] });
export const policyName = z
  .string()
  .regex(wordForm, asWord)
  .meta({ description: 'The name of a policy', examples: ['pump-telemetry'] });
export const pipelineName = z
  .string()
  .regex(wordForm, asWord)
  .meta({ description: 'The name of a pipeline', examples: ['sensor'] });
export const segmentName = z
  .string()
  .regex(wordForm, asWord)
  .meta({ description: 'The name of a segment', examples: ['floor-1'] });
export const groupName = z
  .string()
  .regex(wordForm, asWord)
  .meta({ description: 'The name of a group', examples: ['oslo-pumps'] });
export const serialNumber = z
  .string()
  .regex(/^[0-9a-f]{40}$/, 'must be 40 lower-case hex digits')
  .meta({
    description: 'The serial number of a certificate, in 40 hex digits',
    examples: ['2f9d0c41a3b84e7d9f10c2ab5e6d7f8091a2b3c4'],
  });
/** A serial number in a request, as programs print it: capitals, colons, without leading zeros. Read as 40 digits. */
export const anySerialNumber = z
  .string()
  .max(64)
  .regex(/^([0-9A-Fa-f]:?){1,40}$/, 'must be at most 40 hex digits')
  .overwrite((text) => serialDigits(text.replaceAll(':', '')))
  .meta({
    description: 'A serial number as programs print it: capitals, colons and missing zeros do not matter',
    examples: ['2f9d0c41a3b84e7d9f10c2ab5e6d7f8091a2b3c4'],
  });
/** SHA-256 in an answer. */
export const fingerprint = z.string().meta({
  description: 'SHA-256 of the certificate in DER, in lower-case hex',
  examples: ['9b1f0c5de2a94b6f8e3d7c1a05f4b2d86e7a9c3b1d0f5e4a8b6c2d9e7f3a1b50'],
});
/** Of enrollments and accounts. */
export const renewGraceSeconds = z
  .int()
  .min(0)
  .max(mostGraceSeconds)
  .describe('How long a device can renew after its certificate expired, in seconds; 0 is off');
/** How long certificates live. */
export const certificateSeconds = z
  .int()
  .min(certificateLife.least)
  .max(certificateLife.most)
  .describe('How long the certificates of its devices live, in seconds; 90 days when absent');
/** The most that enrollments of an account may ask for. */
export const maxCertificateSeconds = certificateSeconds.describe(
  'The longest life of a certificate of its devices, in seconds: what an enrollment asks for beyond it counts as this',
);
/** The most that a column of whole numbers holds. */
export const mostInt = 2 ** 31 - 1;
export const permission = z
  .enum(permissions)
  .meta({ title: 'Permission', description: 'What a key may do', examples: ['things:read'] });
export const role = named('Role', 'A built-in set of permissions; docs/permissions.md lists them', z.enum(roles)).meta({
  examples: ['auditor'],
});
/** A time in a request, of the years that every answer, certificate and database can say. */
export const instant = z.iso
  .datetime({ offset: true })
  .refine(isOrdinary, 'must be a time from 1970 to 9999')
  .meta({ description: 'A time (RFC 3339)', examples: ['2030-01-01T00:00:00Z'] });
/** A time in an answer. */
export const timestamp = z.iso
  .datetime()
  .meta({ description: 'A time (RFC 3339)', examples: ['2026-11-28T12:00:00Z'] });
export const uuid = z.uuid().meta({ description: 'The id', examples: ['7d0c4f0e-6f0b-4b57-9a53-3f4c6d2b8e11'] });

export const attributeName = z
  .string()
  .regex(attributeNameForm, 'must be a letter and then at most 63 letters, digits, _ -')
  .meta({ description: 'The name of an attribute', examples: ['site'] });
export const attributeValue = z
  .string()
  .min(1)
  .max(256)
  .regex(/^[ -~\u00a0-\uffff]+$/, 'must have no control characters')
  .meta({ description: 'The value of an attribute', examples: ['oslo'] });
export const attributes = z
  .record(attributeName, attributeValue)
  .refine((value) => Object.keys(value).length <= 50, 'must have at most 50 members')
  .meta({ description: 'Attributes by name, at most 50', examples: [{ site: 'oslo' }] });
const shownAttributes = z
  .record(z.string(), z.string())
  .meta({ description: 'Attributes by name', examples: [{ site: 'oslo' }] });

/** A member of which more comes with later versions. */
export const openObject = z.record(z.string(), z.unknown());

export const thing = named(
  'ThingIdentity',
  'Who a device is in the registry',
  z.object({
    id: uuid.describe('The id of the thing: a name that is used again has another'),
    name: thingName,
    account: accountName,
    thingType: thingType.optional(),
    attributes: shownAttributes,
    status: z.enum(['active', 'suspended', 'revoked']).describe('Only an active thing gets certificates and rights'),
    createdAt: timestamp.describe('When the thing was created'),
  }),
);

/** How people are named: they type it to sign in. */
export const personName = z
  .string()
  .trim()
  .regex(/^[ -~\u00a0-\uffff]{1,128}$/, 'must be 1 to 128 characters, none of them a control character')
  .meta({ description: 'What the person types to sign in', examples: ['Ada'] });

const ofPerson = {
  id: uuid.describe('The id of the person'),
  account: accountName,
  name: z.string().describe('What the person types to sign in'),
  email: z.string().optional().describe('An e-mail address'),
  role: role.optional(),
  permissions: z.array(permission).describe('What the person may do'),
  status: z.enum(['invited', 'active', 'suspended']).describe('An invited person has not signed in yet'),
  methods: z.array(z.enum(['passkey', 'password', 'sso'])).describe('The ways in that the person has set up'),
  lastSignInAt: timestamp.optional().describe('When the person last signed in'),
  createdAt: timestamp.describe('When the person was invited'),
  createdBy: z.string().describe('Who invited the person'),
};
export const person = named('Person', 'Somebody who may sign in', z.object(ofPerson));

/** A live session of a device at an edge. */
export const session = named(
  'Session',
  'A live session of a device at an edge',
  z.object({
    id: z.string().describe('The id of the session, chosen by the edge'),
    proxy: uuid.describe('The id of the edge'),
    proxyName: z.string().describe('The name of the edge'),
    thingName,
    protocol: z.string().describe('Such as `mqtts`'),
    clientId: z.string().optional().describe('What the device calls itself in the protocol'),
    sourceIp: z.string().optional().describe('The address from which the device connected'),
    connectedAt: timestamp.describe('When the session began'),
    fingerprint: fingerprint.optional(),
  }),
);

/** A thing in AWS IoT, where the account has a mirror there. */
export const inAws = named(
  'ThingInAws',
  'A thing in AWS IoT, where the account has a mirror there',
  z.object({
    thingArn: z.string().describe('The ARN of the thing'),
    certificateId: z.string().optional().describe('SHA-256 of the newest certificate, as AWS names it'),
    status: z.enum(['pending', 'active', 'failed', 'drifted']).describe('How far AWS is up to date'),
    reason: z.string().optional().describe('What it waits for, or why it failed'),
  }),
);

export const issuedCertificate = named(
  'IssuedCertificate',
  'A certificate as its device is given it',
  z.object({
    serialNumber,
    fingerprint,
    pem: z.string().describe('The certificate in PEM'),
    chainPem: z.string().describe('The issuing CA and the root, in PEM'),
    notBefore: timestamp.describe('When the certificate begins to be valid'),
    notAfter: timestamp.describe('When the certificate expires'),
  }),
);

export const renderedPolicy = named(
  'RenderedPolicy',
  'A policy with the variables filled in for one thing',
  z.object({
    name: policyName,
    version: z.int().describe('The version that is active'),
    statements: z
      .array(
        named(
          'RenderedStatement',
          'A statement with the variables filled in',
          z.object({
            id: z.string().describe('The id of the statement'),
            effect: z.enum(['allow', 'deny']).describe('A deny overrides every allow'),
            actions: z.array(z.string()).describe('The actions that it covers'),
            resources: z.array(z.string()).describe('The resources that it covers'),
            condition: openObject.optional().describe('What must hold besides, as in the document'),
          }),
        ),
      )
      .describe('The statements'),
    omitted: z.literal(true).optional().describe('Its statements are left out: there are too many to show'),
  }),
);

export const links = named(
  'Links',
  'Where a device goes next',
  z.object({
    crl: z.url().describe('The revocation list of the issuing CA'),
    ocsp: z.url().describe('The OCSP responder'),
    jwks: z.url().describe('The keys that verify access tokens'),
    token: z.url().describe('Where access tokens are refreshed'),
    renew: z.url().describe('Where certificates are renewed'),
  }),
);

/** What devices keep, so that another certificate of the server strands none of them. */
export const trust = z
  .string()
  .describe('PEM certificates to believe the server by from now on, in place of those that were given before');

/** What a question to the policies says besides principal, action and resource. */
export const context = named(
  'QuestionContext',
  'What a question says besides principal, action and resource',
  z.strictObject({
    sourceIp: z.string().max(256).optional().describe('The address of the device'),
    protocol: z.string().max(64).optional().describe('Such as `mqtts`'),
    clientId: z.string().max(65_536).optional().describe('What the device calls itself in the protocol'),
    retain: z
      .union([z.boolean(), z.enum(['true', 'false'])])
      .optional()
      .describe('Of a publication: it is retained'),
    qos: z
      .union([z.number(), z.enum(['0', '1', '2'])])
      .optional()
      .describe('Of a publication: its quality of service'),
  }),
);

/** Of certificates that were not issued here. */
export const outsideLists = z
  .literal(true)
  .optional()
  .describe(
    'Issued elsewhere: no CRL and no OCSP answer of Thingward names it; authorize, introspection, the feed and AWS do',
  );

/** The number of a policy's version, as its column holds it. */
export const versionNumber = z.int().min(1).max(mostInt).describe('The number of a version');

/** A place in the log: `epoch:position`. */
export const logCursor = z
  .string()
  .regex(cursorForm, 'must be a cursor: epoch:position')
  .meta({ description: 'A place in the log: `epoch:position`', examples: ['0f8fad5b-d9cb-469f-a165-70867728950e:42'] });
export const logPosition = z.int().describe('The position of the entry in the log');

function isOrdinary(text: string): boolean {
  const at = Date.parse(text);
  return at >= 0 && at < Date.UTC(10_000, 0);
}

/** A statement of an AWS IoT policy, as this program writes them. */
export const awsStatement = named(
  'AwsPolicyStatement',
  'A statement of an AWS IoT policy',
  z.object({
    Effect: z.enum(['Allow', 'Deny']).describe('Its effect'),
    Action: z.array(z.string()).describe('Its actions'),
    Resource: z.array(z.string()).describe('Its resources'),
    Condition: z
      .record(z.string(), z.record(z.string(), z.array(z.string())))
      .optional()
      .describe('Its condition'),
  }),
);
