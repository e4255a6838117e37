import type { Guest } from '../gate.js';

type Awaitable<Result> = Result | Promise<Result>;

/** Who a hook is called for. */
export type HookSession = {
  readonly guest: Guest;
  readonly clientId: string;
  readonly protocol: string;
  readonly sourceIp: string;
};

/** A message as hooks see it. */
export type HookMessage = { topic: string; payload: Buffer; qos: number; retain: boolean };

/**
 * An operator's own code between a device and its broker. The first three are asked before something is judged; false refuses
 * it, and what they return in its place is judged like everything else. Filters keep their number and order. The others
 * hear of what is on its way to the broker. One that throws refuses.
 */
export type Hooks = {
  authConnect?(session: HookSession): Awaitable<boolean | undefined>;
  authPublish?(
    session: HookSession,
    message: HookMessage,
  ): Awaitable<{ topic?: string; payload?: Buffer } | boolean | undefined>;
  authSubscribe?(session: HookSession, filters: readonly string[]): Awaitable<readonly string[] | boolean | undefined>;
  connect?(session: HookSession): void;
  publish?(session: HookSession, message: HookMessage): void;
  subscribe?(session: HookSession, filters: readonly string[]): void;
  unsubscribe?(session: HookSession, filters: readonly string[]): void;
  disconnect?(session: HookSession): void;
};

/** What a hook answers; false when it throws, which is reported as a defect. */
export async function askHook<Answer>(
  ask: () => Awaitable<Answer>,
  onError: ((error: unknown) => void) | undefined,
): Promise<Answer | false> {
  try {
    return await ask();
  } catch (error) {
    onError?.(error);
    return false;
  }
}

/** Tells a hook. What it throws is a defect, and changes nothing. */
export function tellHook(tell: () => void, onError: ((error: unknown) => void) | undefined): void {
  try {
    tell();
  } catch (error) {
    onError?.(error);
  }
}
