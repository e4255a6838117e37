import type { Refusal } from '../../src/authorize/judge.js';

/** What each reason of a denial means, and what to look at. A reason that is missing here does not compile. */
export const reasons: Record<Refusal, { meaning: string; next: string }> = {
  'no-matching-statement': {
    meaning: 'No statement of the policies of the thing allows it',
    next: 'Ask `POST /v1/policies/{name}/simulate`, which shows why each statement does not match',
  },
  'outside-time-window': {
    meaning: 'A statement would allow it, at another time',
    next: 'Compare `timeWindow` of the statement with the time in its zone',
  },
  'token-invalid': {
    meaning: 'The token is no access token of this server for this account',
    next: 'Check the issuer, and that the token is sent whole',
  },
  'token-expired': { meaning: 'The token has expired', next: 'The device gets another at `POST /v1/token`' },
  'token-revoked': {
    meaning: 'The token was revoked, or the thing was suspended or revoked after it was issued',
    next: 'Look at the audit of the thing',
  },
  'binding-mismatch': {
    meaning:
      'The token came without the certificate that it is bound to, or with another one; or a device names itself otherwise',
    next: 'Send `fingerprint` or `certificatePem` beside the token, or use a key with `bearer` where no certificate is seen',
  },
  'certificate-revoked': {
    meaning:
      'The certificate is revoked or held. For a thing by name: one of its older certificates that has not expired',
    next: '`GET /v1/certificates/{serialNumber}` says when and why',
  },
  'certificate-superseded': {
    meaning: 'A renewal replaced the certificate',
    next: 'The device uses its newest certificate',
  },
  'certificate-expired': { meaning: 'The certificate has expired', next: 'Renew it, or re-enroll the thing' },
  'thing-suspended': { meaning: 'The thing is suspended', next: '`POST /v1/things/{name}/resume` ends it' },
  'thing-revoked': {
    meaning: 'The thing is revoked or deleted',
    next: '`POST /v1/things/{name}/reenroll` brings it back under a new id',
  },
  'unknown-principal': {
    meaning: 'The account has no such thing or certificate',
    next: 'Check the account of the API key, the fingerprint, and the name',
  },
  'outside-segment': {
    meaning: 'The thing belongs to a network segment that does not admit the address or protocol',
    next: 'Send `sourceIp` and `protocol` in the context, and look at the segment',
  },
  'malformed-resource': {
    meaning: 'The resource has no form that its kind allows, such as a wildcard in a publish',
    next: 'See the resources in [policies.md](policies.md#reference)',
  },
  'cannot-decide': {
    meaning: 'One of many questions could not be decided. `detail` says why',
    next: 'Ask it again alone',
  },
};
