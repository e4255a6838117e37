/** When things were last asked about: remembered here, written for many at once. */
export type LastSeen = ReturnType<typeof createLastSeen>;

const mostThings = 1_000_000;

/** `write` keeps the later of what it is given and what is stored. */
export function createLastSeen(write: (seen: [thingId: string, at: number][]) => Promise<void>) {
  let seen = new Map<string, number>();

  return {
    note(thingId: string, at: number): void {
      // Beyond this, a thing that is not yet noted waits for the next writing.
      if (seen.size < mostThings || seen.has(thingId)) seen.set(thingId, at);
    },

    /** Writes what was noted. What fails to be written is noted again. */
    async flush(): Promise<void> {
      if (seen.size === 0) return;
      const writing = seen;
      seen = new Map();
      try {
        await write([...writing]);
      } catch (error) {
        for (const [thingId, at] of writing) if (!seen.has(thingId)) seen.set(thingId, at);
        throw error;
      }
    },
  };
}
