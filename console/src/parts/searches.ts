import { numbersIn, textsIn } from './search.js';

const statuses = ['active', 'suspended', 'revoked', 'deleted'] as const;

/** The statuses of things, as the filter shows them. */
export const thingStatuses: readonly string[] = statuses;

/** The orders of things, with their names. */
export const thingOrders = {
  name: 'Name',
  '-name': 'Name, backwards',
  '-createdAt': 'Newest first',
  createdAt: 'Oldest first',
};

/** What a list of things is asked for. It stands in the address, so that a view can be kept and sent to others. */
export type ThingSearch = {
  search?: string;
  status?: (typeof statuses)[number];
  thingType?: string;
  policy?: string;
  segment?: string;
  enrollment?: string;
  attribute?: string;
  group?: string;
  query?: string;
  sort?: keyof typeof thingOrders;
  cursor?: string;
};

/** Reads an address: whatever is none of the known members and values is left out. */
export function readThingSearch(given: Record<string, unknown>): ThingSearch {
  const { status, sort, ...words } = textsIn(given, [
    'search',
    'thingType',
    'policy',
    'segment',
    'enrollment',
    'attribute',
    'group',
    'query',
    'cursor',
    'status',
    'sort',
  ]);
  const known = statuses.find((each) => each === status);
  const order = (Object.keys(thingOrders) as (keyof typeof thingOrders)[]).find((each) => each === sort);
  return {
    ...words,
    ...(known === undefined ? {} : { status: known }),
    ...(order === undefined ? {} : { sort: order }),
  };
}

/** What `thingward login` asks with: where it listens on this machine, what it knows its answer by, and its challenge. */
export type CommandLineSearch = { port: number; state: string; challenge: string };

const form = /^[A-Za-z0-9_-]{43}$/;

/** Reads what `thingward login` asks with; nothing is asked for by whatever else opens the page. */
export function readCommandLineSearch({ port, state, challenge }: Record<string, unknown>): Partial<CommandLineSearch> {
  const isPort = Number.isInteger(port) && Number(port) > 0 && Number(port) < 65_536;
  if (!isPort || !form.test(String(state)) || !form.test(String(challenge))) return {};
  return { port: Number(port), state: String(state), challenge: String(challenge) };
}

/** Which certificates are shown. */
export type CertificateSearch = {
  within?: number;
  status?: 'active' | 'held' | 'superseded' | 'revoked' | 'expired';
  serialNumber?: string;
};

const certificateStatuses = ['active', 'held', 'superseded', 'revoked', 'expired'] as const;

/** Reads an address: whatever is none of the known members and values is left out. */
export function readCertificateSearch(given: Record<string, unknown>): CertificateSearch {
  const { status, ...words } = textsIn(given, ['status', 'serialNumber']);
  const known = certificateStatuses.find((each) => each === status);
  return { ...words, ...numbersIn(given, ['within']), ...(known === undefined ? {} : { status: known }) };
}

/** Which decisions are shown. */
export type DecisionSearch = { thing?: string; decision?: 'allow' | 'deny' };

/** Reads an address: whatever is none of the known members and values is left out. */
export function readDecisionSearch(given: Record<string, unknown>): DecisionSearch {
  const { decision, ...words } = textsIn(given, ['thing', 'decision']);
  return { ...words, ...(decision === 'allow' || decision === 'deny' ? { decision } : {}) };
}

/** Which entries of the audit are shown. */
export type AuditSearch = { actor?: string; action?: string; target?: string; from?: string; to?: string };

/** Reads an address: whatever is none of the known members is left out. */
export const readAuditSearch = (given: Record<string, unknown>): AuditSearch =>
  textsIn(given, ['actor', 'action', 'target', 'from', 'to']);

/** Which alerts are shown. */
export type AlertSearch = { status?: 'firing' | 'acknowledged' | 'resolved' };

/** Reads an address: whatever is none of the known members and values is left out. */
export const readAlertSearch = (given: Record<string, unknown>): AlertSearch =>
  statusIn(given, ['firing', 'acknowledged', 'resolved']);

/** Which deliveries of a webhook are shown. */
export type DeliverySearch = { status?: 'pending' | 'delivered' | 'parked' };

/** Reads an address: whatever is none of the known members and values is left out. */
export const readDeliverySearch = (given: Record<string, unknown>): DeliverySearch =>
  statusIn(given, ['pending', 'delivered', 'parked']);

function statusIn<State extends string>({ status }: Record<string, unknown>, of: readonly State[]): { status?: State } {
  const known = of.find((each) => each === status);
  return known === undefined ? {} : { status: known };
}
