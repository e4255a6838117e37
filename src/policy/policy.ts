/** A policy document, as policies are written, stored and rendered. */
export type PolicyDocument = { name: string; dataSensitivity?: 'low' | 'medium' | 'high'; statements: Statement[] };

export type Statement = {
  id: string;
  effect: 'allow' | 'deny';
  actions: string[];
  resources: string[];
  condition?: Condition;
};

export type Condition = {
  timeWindows?: TimeWindow[];
  sourceCidrs?: string[];
  protocols?: string[];
  attributes?: Record<string, string[]>;
  retain?: boolean;
  qos?: number[];
};

export type TimeWindow = { from: string; to: string; days: Day[]; timeZone: string };

export const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;

export type Day = (typeof days)[number];
