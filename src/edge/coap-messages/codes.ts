/** A code of CoAP (RFC 7252 §3): the class in the upper three bits, the detail in the others. */
const codeOf = (kind: number, detail: number): number => (kind << 5) | detail;

/** Methods (RFC 7252 §5.8). */
export const method = { get: 1, post: 2, put: 3, delete: 4 } as const;

/** Codes of answers (RFC 7252 §5.9, RFC 7959 §2.9, RFC 8516). */
export const answerCode = {
  changed: codeOf(2, 4),
  content: codeOf(2, 5),
  continue: codeOf(2, 31),
  badRequest: codeOf(4, 0),
  unauthorized: codeOf(4, 1),
  badOption: codeOf(4, 2),
  forbidden: codeOf(4, 3),
  notFound: codeOf(4, 4),
  methodNotAllowed: codeOf(4, 5),
  notAcceptable: codeOf(4, 6),
  incomplete: codeOf(4, 8),
  tooLarge: codeOf(4, 13),
  tooManyRequests: codeOf(4, 29),
  unavailable: codeOf(5, 3),
  noProxy: codeOf(5, 5),
} as const;

/** Codes of signals over reliable transports (RFC 8323 §5). */
export const signal = {
  csm: codeOf(7, 1),
  ping: codeOf(7, 2),
  pong: codeOf(7, 3),
  release: codeOf(7, 4),
  abort: codeOf(7, 5),
} as const;

/** The class of a code: 0 for a method, 2, 4 and 5 for answers, 7 for signals. */
export const classOf = (code: number): number => code >> 5;

/** A code as it is written, such as `4.01`. */
export const formatCode = (code: number): string => `${code >> 5}.${String(code & 31).padStart(2, '0')}`;
