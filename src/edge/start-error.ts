/** An edge cannot start because of what is around it. The message is one sentence that says what to do; `cause` is for code. */
export class EdgeStartError extends Error {
  override readonly name = 'EdgeStartError';
}
