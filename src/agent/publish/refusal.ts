const kinds = {
  'bad-message': { status: 400, title: 'This is no message' },
  'bad-request': { status: 400, title: 'This is no request that the agent takes' },
  forbidden: { status: 403, title: 'Web pages may not publish' },
  'not-found': { status: 404, title: 'There is nothing here' },
  'message-too-large': { status: 413, title: 'The message is too large' },
  'not-json': { status: 415, title: 'The content type is not application/json' },
  'disk-full': { status: 503, title: 'The message could not be written to the disk' },
  'queue-full': { status: 507, title: 'The queue is full' },
} as const;

/** Why a message was not kept. */
export type RefusalKind = keyof typeof kinds;

/** A message that was not kept. The text says what to do. */
export class Refusal extends Error {
  override readonly name = 'Refusal';

  constructor(
    readonly kind: RefusalKind,
    message: string,
    /** Where the message named one. */
    readonly id?: string,
  ) {
    super(message);
  }
}

/** Whether the same message may be kept later. */
export const isPassing = ({ kind }: Refusal): boolean => kind === 'queue-full' || kind === 'disk-full';

/** A refusal as a problem document (RFC 9457). */
export function problemOf({ kind, message, id }: Refusal) {
  const { status, title } = kinds[kind];
  return { type: `urn:thingward:problem:${kind}`, title, status, detail: message, ...(id === undefined ? {} : { id }) };
}
