/** Where lines go. */
export type Tell = Record<'info' | 'warn' | 'error', (fields: object, message: string) => void>;

/** Who was refused what, and why. `thing` and `why` are words of this program or of the account; the rest may come from outside. */
export type RefusedLine = {
  what: string;
  why: string;
  thing?: string | undefined;
  sourceIp?: string | undefined;
  resource?: string | undefined;
  detail?: string | undefined;
};

const perMinuteMs = 60_000;
const mostKinds = 1000;
const longestText = 256;

export type RefusalLog = ReturnType<typeof createRefusalLog>;

/**
 * Says who was refused what and why: once a minute for the same thing (or address, where nobody was identified), action
 * and reason, with the number of those that were not said. What does not fit is counted, in one line.
 */
export function createRefusalLog(tell: Tell, now: () => number) {
  let since = now();
  let said = new Map<string, number>();
  let beyond = 0;

  const turn = (): void => {
    if (now() - since < perMinuteMs) return;
    for (const [kind, count] of said)
      if (count > 1) tell.warn({ kind, again: count - 1 }, 'refused again within the last minute');
    if (beyond > 0) tell.warn({ count: beyond }, 'refused too, of more kinds than are told apart');
    since = now();
    said = new Map();
    beyond = 0;
  };

  return {
    say(line: RefusedLine): void {
      turn();
      const kind = `${line.thing ?? line.sourceIp ?? 'somebody'} ${line.what} ${line.why}`.slice(0, longestText);
      const count = said.get(kind);
      if (count !== undefined) return void said.set(kind, count + 1);
      if (said.size >= mostKinds) return void beyond++;
      said.set(kind, 1);
      tell.warn(shorten(line), line.what === 'session' ? 'session ended' : 'refused');
    },
    /** Says what was held back, when its minute is over. */
    turn,
  };
}

function shorten(line: RefusedLine): object {
  return Object.fromEntries(
    Object.entries(line).flatMap(([name, text]) => (text === undefined ? [] : [[name, text.slice(0, longestText)]])),
  );
}
