import { createHash, X509Certificate } from 'node:crypto';
import { awsAccount, region } from './moto.js';

/** What AWS would have, and its words for refusing. */
type Thing = { attributes: Record<string, string>; type: string | undefined };
type Certificate = { pem: string; status: string; policies: Set<string>; thing: string | undefined };
type Policy = { versions: { id: string; document: string }[]; active: string; count: number };
type Request = { query: URLSearchParams; body: any; principal: string };
export type Handler = [
  method: string,
  path: RegExp,
  call: string,
  work: (names: string[], request: Request) => unknown,
];
export type State = ReturnType<typeof createState>;

export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly extra: object = {},
  ) {
    super(`${code} of the fake`);
  }
}

export function createState(pageSize: number) {
  return {
    pageSize,
    things: new Map<string, Thing>(),
    types: new Set<string>(),
    groups: new Map<string, Set<string>>(),
    certificates: new Map<string, Certificate>(),
    authorities: new Set<string>(),
    /** Client ids of live connections, and what was closed of them. */
    connections: new Set<string>(),
    closed: [] as { clientId: string; withoutWill: boolean }[],
    policies: new Map<string, Policy>(),
    calls: [] as { call: string; at: number; subject: string }[],
    roles: [] as { roleArn: string; externalId: string }[],
    /** Things that certificates leave, and after which call that is seen. */
    leaving: [] as { certificate: Certificate; thing: string; after: number }[],
  };
}

export const arn = (kind: string, name: string): string => `arn:aws:iot:${region}:${awsAccount}:${kind}/${name}`;

export const idOf = (pem: string): string => createHash('sha256').update(new X509Certificate(pem).raw).digest('hex');

export const certificateAt = ({ certificates }: State, target: string): Certificate =>
  found(certificates.get(target.split(':cert/')[1] ?? ''));

export function found<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new Refusal(404, 'ResourceNotFoundException');
  return value;
}

/** One page of a list, and the token of the next. */
export function page(
  { pageSize }: State,
  items: string[],
  token: string | null,
  key: string,
  marker: string,
  toItem: (name: string) => unknown,
): object {
  const start = Number(token ?? 0);
  const shown = items.slice(start, start + pageSize).map(toItem);
  return { [key]: shown, ...(start + pageSize < items.length ? { [marker]: String(start + pageSize) } : {}) };
}
