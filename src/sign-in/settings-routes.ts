import { grantee, originOf } from '../http/request.js';
import type { App } from '../http/route.js';
import * as schema from './schema.js';
import type { Settings } from './settings.js';

const tags = ['sign-in'];

/** The routes of `/v1/sign-in/settings`. */
export function settingsRoutes(settings: Settings) {
  return async (app: App) => {
    app.get(
      '/v1/sign-in/settings',
      {
        config: { access: 'people:read' },
        schema: {
          operationId: 'getSignInSettings',
          summary: 'What the account sets about signing in',
          tags,
          response: { 200: schema.settings },
        },
      },
      async (request) => ({ passwords: await settings.takesPasswords(grantee(request).account) }),
    );

    app.patch(
      '/v1/sign-in/settings',
      {
        config: { access: 'people:write', stepUp: true },
        schema: {
          operationId: 'updateSignInSettings',
          summary: 'Switch signing in with passwords on or off',
          tags,
          body: schema.settingsChange,
          response: { 200: schema.settings },
        },
      },
      async (request) => {
        await settings.set(grantee(request), request.body.passwords, originOf(request));
        return { passwords: request.body.passwords };
      },
    );
  };
}
