import { randomUUID } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { AppendAudit } from '../audit/store.js';
import type { Clock } from '../clock.js';
import { DomainError } from '../errors.js';
import { mostOfAccount, tooMany } from '../limits.js';
import type { Origin } from '../origin.js';
import { compileSchema, type Judge } from './payload-schema.js';
import type { NewSchema } from './schema.js';
import type { SchemaStore, StoredSchema } from './schema-store.js';

type Deps = { store: SchemaStore; clock: Clock; audit: AppendAudit };

const mostCompiled = 500;

export type PayloadSchemas = ReturnType<typeof createPayloadSchemas>;

/** What payloads of commands look like: a schema is made and deleted, and never changes. */
export function createPayloadSchemas({ store, clock, audit }: Deps) {
  const compiled = new LRUCache<string, Judge>({ max: mostCompiled });

  const judgeOf = ({ id, schema }: StoredSchema): Judge => {
    const known = compiled.get(id);
    if (known) return known;
    const judge = compileSchema(JSON.parse(schema));
    compiled.set(id, judge);
    return judge;
  };

  return {
    list: store.list,

    /** @throws DomainError `invalid-request`, `conflict`, `too-many-requests` */
    async create(account: string, { name, thingType = '', schema }: NewSchema, origin: Origin): Promise<StoredSchema> {
      compileSchema(schema);
      const at = clock();
      const made = { name, thingType, schema: JSON.stringify(schema), createdAt: at, createdBy: origin.actor };
      const stored = { ...made, id: randomUUID() };
      await store.transaction(async (tx) => {
        const most = mostOfAccount.commandSchemas;
        if ((await store.count(tx, account)) >= most) throw tooMany('command schemas', most, 'delete some');
        if (!(await store.insert(tx, account, stored)))
          throw new DomainError(
            'conflict',
            `there is a schema of ${name} for ${thingType || 'every type'}: delete it first (GET /v1/command-schemas?name=${name})`,
          );
        const detail = { name, thingType, schema: stored.schema };
        const target = `command-schema:${stored.id}`;
        await audit(tx, { at, account, origin, action: 'command-schema.create', target, detail });
      });
      return stored;
    },

    /** @throws DomainError `not-found` */
    async get(account: string, id: string): Promise<StoredSchema> {
      return (await store.find(account, id)) ?? missing(id);
    },

    /** @throws DomainError `not-found` */
    delete: (account: string, id: string, origin: Origin): Promise<void> =>
      store.transaction(async (tx) => {
        const gone = (await store.delete(tx, account, id)) ?? missing(id);
        const { name, thingType, schema } = gone;
        const target = `command-schema:${id}`;
        const detail = { name, thingType, schema };
        await audit(tx, { at: clock(), account, origin, action: 'command-schema.delete', target, detail });
      }),

    /** @throws DomainError `invalid-request` for a payload that the schema of the command does not fit */
    async requireFit(account: string, name: string, thingType: string | null, payload: unknown): Promise<void> {
      const stored = await store.judging(account, name, thingType ?? '');
      const wrong = stored && judgeOf(stored)(payload);
      if (wrong !== undefined)
        throw new DomainError('invalid-request', `${wrong}: GET /v1/command-schemas/${stored!.id} says what fits`);
    },
  };
}

function missing(id: string): never {
  throw new DomainError('not-found', `there is no command schema ${id}: GET /v1/command-schemas`);
}
