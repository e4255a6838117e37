/** The kinds of resources, by the word before the colon. */
export const resourceKinds = ['topic', 'client', 'endpoint', 'http'] as const;

/** What a resource is: it decides how its text is matched. */
export type ResourceKind = (typeof resourceKinds)[number];

/** The kinds of resources by the place of an action: those that have names here, and last every action on endpoints. */
export const kindsByPlace: readonly ResourceKind[] = ['client', 'topic', 'topic', 'topic', 'http', 'endpoint'];

const named = ['connect', 'publish', 'subscribe', 'receive', 'request'] as const;

/** The places of actions; all actions on endpoints share one. */
export const placeOf = { connect: 0, publish: 1, subscribe: 2, receive: 3, request: 4, others: 5 } as const;

const form = /^[a-z][a-z0-9_]{0,63}$/;

/** The place of an action; -1 for what is not an action. A switch, because a look-up costs as much as comparing a level. */
export function placeOfAction(action: string): number {
  switch (action) {
    case 'publish':
      return placeOf.publish;
    case 'receive':
      return placeOf.receive;
    case 'subscribe':
      return placeOf.subscribe;
    case 'connect':
      return placeOf.connect;
    case 'request':
      return placeOf.request;
    default:
      return form.test(action) ? placeOf.others : -1;
  }
}

/** The only kind of resource that an action goes with; undefined for what is not an action. */
export function kindOfAction(action: string): ResourceKind | undefined {
  const place = placeOfAction(action);
  return place < 0 ? undefined : kindsByPlace[place];
}

/** The actions that a kind of resource has by name. Endpoints have any. */
export function actionsOfKind(kind: ResourceKind): string[] {
  return named.filter((action) => kindsByPlace[placeOf[action]] === kind);
}
