/** Which decisions are read: those that match all of its fields. */
export type DecisionFilter = {
  thing?: string | undefined;
  decision?: string | undefined;
  reason?: string | undefined;
  action?: string | undefined;
  from?: Date | undefined;
  to?: Date | undefined;
};
