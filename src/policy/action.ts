/** The kinds of resources, by the word before the colon. */
export const resourceKinds = ['topic', 'client', 'endpoint', 'http'] as const;

/** What a resource is: it decides how its text is matched. */
export type ResourceKind = (typeof resourceKinds)[number];

const reserved: Readonly<Record<string, ResourceKind>> = {
  connect: 'client',
  publish: 'topic',
  subscribe: 'topic',
  receive: 'topic',
  request: 'http',
};

const form = /^[a-z][a-z0-9_]{0,63}$/;

/** The only kind of resource that an action goes with; undefined for what is not an action. */
export function kindOfAction(action: string): ResourceKind | undefined {
  if (Object.hasOwn(reserved, action)) return reserved[action];
  return form.test(action) ? 'endpoint' : undefined;
}

/** The actions that a kind of resource has by name. Endpoints have any. */
export function actionsOfKind(kind: ResourceKind): string[] {
  return Object.keys(reserved).filter((action) => reserved[action] === kind);
}
