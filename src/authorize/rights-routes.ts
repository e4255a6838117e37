import { rfc3339 } from '../clock.js';
import { DomainError } from '../errors.js';
import { grantee } from '../http/request.js';
import type { App } from '../http/route.js';
import type { EffectiveRights } from './effective-rights.js';
import * as schema from './schema.js';
import type { AuthorizeService } from './service.js';

const tags = ['proxies'];
const questionBytes = 512 * 1024;

type Deps = {
  rightsOf: AuthorizeService['rightsOf'];
  hasThing(account: string, name: string): Promise<boolean>;
};

/** Effective rights: what a principal may do now, in one list. */
export function rightsRoutes({ rightsOf, hasThing }: Deps) {
  return async (app: App) => {
    app.get(
      '/v1/things/:name/rights',
      {
        config: { access: 'things:read', needs: ['policies:read'], load: 'page' },
        schema: {
          operationId: 'listRightsOfThing',
          summary: 'What a thing may do now; `condition` holds what its address, protocol, retain and QoS decide',
          tags: ['things'],
          params: schema.thingParams,
          response: { 200: schema.rights },
        },
      },
      async (request) => {
        const caller = grantee(request);
        const { name: thingName } = request.params;
        if (!(await hasThing(caller.account, thingName)))
          throw new DomainError('not-found', `no thing ${thingName} exists: GET /v1/things lists those that do`);
        return present(await rightsOf(caller, { form: { thingName } }));
      },
    );

    app.post(
      '/v1/authorize/rights',
      {
        config: { access: 'authorize:query', cost: 'free', load: 'batch' },
        bodyLimit: questionBytes,
        schema: {
          operationId: 'listRights',
          summary: 'What a principal may do now, in one list: exact for what the context says',
          tags,
          body: schema.rightsQuestion,
          response: { 200: schema.rights },
        },
      },
      async (request) => {
        const { principal: form, context } = request.body;
        return present(await rightsOf(grantee(request), { form }, context));
      },
    );
  };
}

function present({ allow, deny, refusal, validUntil, cursor }: EffectiveRights) {
  return {
    allow: allow.map(presentRight),
    deny: deny.map(presentRight),
    ...(refusal === undefined ? {} : { reasons: [refusal] }),
    validUntil: inSeconds(validUntil),
    cursor,
  };
}

const presentRight = ({ until, ...right }: EffectiveRights['allow'][number]) => ({
  ...right,
  ...(until === undefined ? {} : { until: inSeconds(until) }),
});

/** Never later than it should be. */
const inSeconds = (at: number): string => rfc3339(new Date(Math.floor(at / 1000) * 1000));
