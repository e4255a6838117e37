/** Who did something, in which request, from where: what the audit records. */
export type Origin = { actor: string; requestId?: string; sourceIp?: string };

/** What this program does on its own or from the command line. */
export const systemOrigin: Origin = { actor: 'system' };
