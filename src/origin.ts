/** Who did something, in which request, from where: what the audit records. */
export type Origin = {
  actor: string;
  requestId?: string;
  sourceIp?: string;
  /** The object must still be what its sender knows (`requireMatch`). */
  ifMatch?: string | undefined;
};

/** What this program does on its own or from the command line. */
export const systemOrigin: Origin = { actor: 'system' };
