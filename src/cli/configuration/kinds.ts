import { ProblemError, type Client } from '../../client/client.js';
import { plain } from '../output/cells.js';
import { OperatorError } from '../session/errors.js';
import { contains, isSame } from './difference.js';
import type { Document } from './files.js';

/** One kind of configuration, which has a folder of its name. */
export type Kind = {
  folder: 'policies' | 'segments' | 'groups' | 'enrollments';
  /** One of the kind, in a sentence. */
  one: string;
  several: string;
  /** What a document is known by; undefined for what is no document of the kind. */
  nameOf(document: Document, file: string): string | undefined;
  /** What such a document needs, in a sentence. */
  needs: string;
  /** Everything of the kind that the server has, by the name of its file. */
  all(client: Client): AsyncIterable<readonly [name: string, document: Document]>;
  /** A function that finds what the server has in the place of a document. */
  look(client: Client): Promise<(document: Document) => Promise<Document | undefined>>;
  /** Whether what the server has needs no change. */
  isSame(present: Document, wanted: Document): boolean;
  /** Makes one, and returns its secret if it has one. */
  create(client: Client, document: Document): Promise<string | undefined>;
  update(client: Client, document: Document, present: Document): Promise<void>;
};

const named = ({ name }: Document): string | undefined => (typeof name === 'string' ? name : undefined);
const nameIn = (document: Document): string => String(document['name']);

/** Policies: a change of a document makes a version and activates it. */
export const policies: Kind = {
  folder: 'policies',
  one: 'policy',
  several: 'policies',
  nameOf: (document) => (Array.isArray(document['statements']) ? named(document) : undefined),
  needs: 'name and statements, see docs/policies.md',
  async *all(client) {
    for await (const { name } of client.each('/v1/policies'))
      yield [name, (await client.get('/v1/policies/{name}', { path: { name } })).document];
  },
  look: (client) =>
    Promise.resolve((document) =>
      unlessMissing('policy', nameIn(document), async (name) => {
        const found = await client.get('/v1/policies/{name}', { path: { name } });
        return found.document;
      }),
    ),
  isSame,
  async create(client, document) {
    await client.post('/v1/policies', { body: document as never });
    return undefined;
  },
  async update(client, { name, ...document }) {
    const path = { name: String(name) };
    const saved = await client.post('/v1/policies/{name}/versions', { path, body: document });
    if (saved.activeVersion === saved.version) return;
    await client.post('/v1/policies/{name}/activate', { path, body: { version: saved.version } });
  },
};

/** Segments: members that a file does not name stay as they are. */
export const segments: Kind = {
  folder: 'segments',
  one: 'segment',
  several: 'segments',
  nameOf: (document) => (typeof document['cidr'] === 'string' ? named(document) : undefined),
  needs: 'name and cidr',
  async *all(client) {
    for await (const segment of client.each('/v1/segments')) yield [segment.name, settingsOf(segment)];
  },
  look: (client) =>
    Promise.resolve((document) =>
      unlessMissing('segment', nameIn(document), async (name) =>
        settingsOf(await client.get('/v1/segments/{name}', { path: { name } })),
      ),
    ),
  isSame: contains,
  async create(client, document) {
    await client.post('/v1/segments', { body: document as never });
    return undefined;
  },
  async update(client, { name, ...wanted }, present) {
    const changed = Object.entries(wanted).filter(([member, value]) => !contains(present[member], value));
    const body = Object.fromEntries(changed) as never;
    await client.patch('/v1/segments/{name}', { path: { name: String(name) }, body });
  },
};

function settingsOf(segment: object): Document {
  const { things: _things, createdAt: _createdAt, ...settings } = segment as Document;
  return settings;
}

/** Groups: questions about things. */
export const groups: Kind = {
  folder: 'groups',
  one: 'group',
  several: 'groups',
  nameOf: (document) => (document['query'] === undefined ? undefined : named(document)),
  needs: 'name and query, see docs/groups.md',
  async *all(client) {
    for await (const { name, query } of client.each('/v1/groups')) yield [name, { name, query }];
  },
  look: (client) =>
    Promise.resolve((document) =>
      unlessMissing('group', nameIn(document), async (each) => {
        const { name, query } = await client.get('/v1/groups/{name}', { path: { name: each } });
        return { name, query };
      }),
    ),
  isSame,
  async create(client, document) {
    await client.post('/v1/groups', { body: document as never });
    return undefined;
  },
  async update(client, { name, query }) {
    await client.patch('/v1/groups/{name}', { path: { name: String(name) }, body: { query } as never });
  },
};

/** Enrollments, without their tokens: one that lets in the same things in the same way is the same. */
export const enrollments: Kind = {
  folder: 'enrollments',
  one: 'enrollment',
  several: 'enrollments',
  nameOf: (document, file) =>
    typeof document['thingNamePattern'] === 'string' && typeof document['maxUses'] === 'number' ? file : undefined,
  needs: 'thingNamePattern and maxUses',
  async *all(client) {
    for await (const each of client.each('/v1/enrollments'))
      if (each.status === 'active' && !isForOne(each)) yield [each.id, openingOf(each)];
  },
  async look(client) {
    const open: Document[] = [];
    for await (const [, document] of enrollments.all(client)) open.push(document);
    return (document) => Promise.resolve(open.find((each) => isSame(each, openingOf(document))));
  },
  isSame: () => true,
  async create(client, document) {
    const { token } = await client.post('/v1/enrollments', { body: openingOf(document) as never });
    return token;
  },
  // One that differs is another one.
  update: () => Promise.resolve(),
};

/** What gives one thing another certificate is no configuration. */
const isForOne = ({ thingNamePattern, policies: given }: { thingNamePattern: string; policies: string[] }): boolean =>
  given.length === 0 && !/[*?]/.test(thingNamePattern);

const defaults: Document = { expiresAt: 'never', attributes: {}, deviceAttributes: [] };
const ofOne = ['id', 'status', 'uses', 'createdAt', 'createdBy', 'revokedAt', 'policy', 'policies', 'sourceCidrs'];

/** What an enrollment opens, as a request for one like it says it. */
function openingOf(enrollment: object): Document {
  const all = enrollment as Document;
  const own = Object.fromEntries(Object.entries(all).filter(([name]) => !ofOne.includes(name)));
  const { policy, policies: given = policy === undefined ? [] : [policy], sourceCidrs, ca } = all;
  return {
    ...defaults,
    ...own,
    ...authorityOf(ca),
    ...unlessEmpty('policies', given),
    ...unlessEmpty('sourceCidrs', sourceCidrs),
  };
}

/** Of a manufacturer's authority, what a request names. A proof of its key is no configuration. */
function authorityOf(ca: unknown): Document {
  if (typeof ca !== 'object' || ca === null) return {};
  const { certificates, thingName } = ca as Document;
  return { ca: { certificates, thingName } };
}

// A request has no empty lists of these.
const unlessEmpty = (name: string, list: unknown): Document =>
  Array.isArray(list) && list.length > 0 ? { [name]: list } : {};

/** Every kind, in the order in which they need each other. */
export const kinds: readonly Kind[] = [policies, segments, groups, enrollments];

async function unlessMissing(
  one: string,
  name: string,
  find: (name: string) => Promise<Document>,
): Promise<Document | undefined> {
  try {
    return await find(name);
  } catch (error) {
    if (error instanceof ProblemError && error.code === 'not-found') return undefined;
    if (error instanceof ProblemError && error.status === 400)
      throw new OperatorError(`a ${one} cannot be named ${plain(name)}: correct the name in its file`);
    throw error;
  }
}
