import { grantee, originOf } from '../http/request.js';
import type { App } from '../http/route.js';
import { mostOctetsOfList } from '../limits.js';
import type { ManufacturerService } from '../manufacturers/service.js';
import * as schema from './list-schema.js';

/** What a list is in JSON, with room for its line ends and the names around it. */
const bodyLimit = 2 * mostOctetsOfList;

/** The list of a manufacturer, by the enrollment that admits its devices. */
export function listRoutes({ upload }: Pick<ManufacturerService, 'upload'>) {
  return async (app: App) => {
    app.put(
      '/v1/enrollments/:id/crl',
      {
        bodyLimit,
        config: { access: 'enrollments:write', cost: 'heavy' },
        schema: {
          operationId: 'setManufacturerList',
          summary:
            'Say which certificates the manufacturer of an enrollment revoked; the same list again changes nothing',
          tags: ['enrollments'],
          params: schema.listParams,
          body: schema.newList,
          response: { 200: schema.list },
        },
      },
      async (request) => {
        const { account } = grantee(request);
        return schema.presentList(await upload(account, request.params.id, request.body.crl, originOf(request)));
      },
    );
  };
}
