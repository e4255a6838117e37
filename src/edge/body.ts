/**
 * The pieces of the body of an answer, until the body or the signal ends. Node 20 holds the signal of `fetch` only weakly once the
 * headers of the answer exist: after a run of the garbage collector, an abort does not end the body. So it is cancelled here.
 */
export async function* piecesOf({ body }: Response, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  if (!body) return;
  const reader: ReadableStreamDefaultReader<Uint8Array> = body.getReader();
  const cancel = (): void => void reader.cancel().catch(() => {});
  signal.addEventListener('abort', cancel, { once: true });
  try {
    while (!signal.aborted) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    signal.removeEventListener('abort', cancel);
    cancel();
  }
}

/** The body of an answer as text. @throws Error when it breaks off, or the signal ends it */
export async function textOf(response: Response, signal: AbortSignal): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const piece of piecesOf(response, signal)) text += decoder.decode(piece, { stream: true });
  signal.throwIfAborted();
  return text + decoder.decode();
}
