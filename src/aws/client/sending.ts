/** What the SDK is told with each call. */
export type SendOptions = { abortSignal: AbortSignal };

/** Makes one call. */
export type Send<Output> = (options: SendOptions) => Promise<Output>;

/** What a call answers. @throws the signal's reason when its time is up: the SDK gives up a request when it is told to, but not everything that it does before one. */
export async function inTime<Output>(send: Send<Output>, abortSignal: AbortSignal): Promise<Output> {
  const late = new Promise<never>((_, reject) => {
    abortSignal.addEventListener('abort', () => reject(abortSignal.reason as Error), { once: true });
  });
  return Promise.race([send({ abortSignal }), late]);
}
