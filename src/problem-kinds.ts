import type { ErrorCode } from './errors.js';

/** Every code with its status and title. A code without a row does not compile. */
export const problems: Record<ErrorCode, { status: number; title: string }> = {
  'account-exists': { status: 409, title: 'The account name is taken' },
  'account-suspended': { status: 403, title: 'The account is suspended' },
  'approval-denied': { status: 403, title: 'An operator denied the device' },
  'bad-csr': { status: 422, title: 'The certificate request was refused' },
  'bad-key': { status: 422, title: 'The key is not acceptable' },
  'certificate-revoked': { status: 403, title: 'The certificate is no longer valid' },
  conflict: { status: 409, title: 'The object is not in the required state' },
  'count-changed': { status: 409, title: 'The filter selects another number than expected' },
  'cursor-pruned': { status: 410, title: 'The log is pruned after the cursor' },
  forbidden: { status: 403, title: 'The credential does not allow this' },
  'invalid-client': { status: 401, title: 'The device could not be recognised' },
  'invalid-credential': { status: 401, title: 'The credential is unknown, expired or used up' },
  'invalid-grant': { status: 400, title: 'The refresh token is not valid' },
  'invalid-policy': { status: 422, title: 'The policy document was refused' },
  'invalid-request': { status: 400, title: 'The request does not have the documented shape' },
  'key-in-use': { status: 409, title: 'The key belongs to another thing' },
  'method-not-allowed': { status: 405, title: 'The path does not support this method' },
  'list-expired': { status: 503, title: 'No current list can be served' },
  'list-refused': { status: 503, title: 'A list was signed but not published' },
  'missing-credential': { status: 401, title: 'A credential is needed' },
  'not-found': { status: 404, title: 'The object does not exist' },
  'not-ready': { status: 503, title: 'The server cannot answer yet' },
  'not-settled': { status: 503, title: 'The change is made, but not yet applied on every instance' },
  'outside-enrollment': { status: 403, title: 'The enrollment does not cover this' },
  'payload-too-large': { status: 413, title: 'The request is too large' },
  'epoch-changed': { status: 409, title: 'The cursor belongs to another epoch of the log' },
  'policy-exists': { status: 409, title: 'A policy of this name exists already' },
  'segment-exists': { status: 409, title: 'A segment of this name exists already' },
  'segment-full': { status: 409, title: 'The segment has reached its limit' },
  'thing-exists': { status: 409, title: 'The name belongs to another key' },
  'thing-not-active': { status: 403, title: 'The thing is suspended or revoked' },
  'too-many-requests': { status: 429, title: 'Too many requests' },
  'unknown-policy': { status: 422, title: 'The policy does not exist' },
  'unknown-segment': { status: 422, title: 'The segment does not exist' },
  'unsupported-grant-type': { status: 400, title: 'The grant type is not supported' },
  'unsupported-token-type': { status: 400, title: 'This kind of token cannot be revoked' },
  'unsupported-media-type': { status: 415, title: 'The content type is not supported here' },
  'upstream-away': { status: 502, title: 'The service behind the edge does not answer' },
  internal: { status: 500, title: 'The server failed' },
};

/** A stable identifier of the kind of problem; docs/problems.md has a heading for each. */
export function problemType(code: ErrorCode): string {
  return `urn:thingward:problem:${code}`;
}
