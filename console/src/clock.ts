/** The clock of this browser: the pages read the time here alone. */
export const now = (): Date => new Date();

/** So many days from now, as the API writes times. */
export const inDays = (days: number): string => new Date(now().getTime() + days * 86_400_000).toISOString();
