import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyError, FastifyInstance, RouteOptions } from 'fastify';
import { jsonSchemaTransform } from 'fastify-type-provider-zod';
import { DomainError } from '../errors.js';
import { sendFailure } from './problems.js';
import type { App } from './route.js';

const description =
  'Device identity and policy for edge fleets. Every error is an application/problem+json document; docs/problems.md explains each type.';

const security: Record<string, string> = { enrollment: 'enrollmentToken', thing: 'accessToken', person: 'session' };

/** Describes every route that is registered after this, from the schemas that the routes themselves use. */
export async function installDocs(app: FastifyInstance, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Thingward', version, description },
      components: {
        securitySchemes: {
          apiKey: { type: 'http', scheme: 'bearer', description: 'An API key, twk_...' },
          enrollmentToken: { type: 'http', scheme: 'bearer', description: 'An enrollment token, twe_...' },
          accessToken: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: "A device's access token" },
          session: {
            type: 'apiKey',
            in: 'cookie',
            name: '__Host-thingward',
            description:
              'The session of a person who signed in. What changes something needs Sec-Fetch-Site: same-origin, or an Origin that is this server.',
          },
        },
      },
    },
    transform: (route) => withProblems(jsonSchemaTransform(route)),
  });
  app.addHook('onRoute', describeAccess);
}

const problem = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail'],
  properties: {
    type: { type: 'string', description: 'urn:thingward:problem:CODE, stable' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string', description: 'What happened and what to do next' },
    requestId: { type: 'string' },
  },
};

type Transformed = ReturnType<typeof jsonSchemaTransform>;

/** Every route may answer with a problem document. The rest of a path is a parameter, which OpenAPI wants named. */
function withProblems({ schema, url: pattern }: Transformed): Transformed {
  const url = pattern.replace(/\*$/, ':rest');
  if (schema['hide']) return { schema, url };
  const description = 'A problem document (RFC 9457)';
  const refusal = { description, content: { 'application/problem+json': { schema: problem } } };
  return { schema: { ...schema, response: { ...(schema['response'] as object), default: refusal } }, url };
}

function describeAccess(route: RouteOptions): void {
  const access = route.config?.access;
  if (!route.schema || access === undefined || access === 'public') return;
  const scheme = security[access] ?? 'apiKey';
  const isPermission = scheme === 'apiKey';
  route.schema.security = [{ [scheme]: [] }, ...(isPermission ? [{ session: [] }] : [])];
  if (isPermission) route.schema.description = `Needs the permission \`${access}\`.`;
}

// The page brings its own scripts and needs no others; the styles that it sets in code count as inline.
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** `/openapi.json`, and the same to read and try at `/docs`. */
export function docsRoutes() {
  return async (app: App) => {
    await app.register(async (page) => {
      // Paths that lead out of the folder, and others that its server refuses in its own words.
      page.setErrorHandler((error: FastifyError, request, reply) => {
        const { statusCode = 500 } = error;
        const isRefusal = statusCode >= 400 && statusCode < 500;
        const failure = isRefusal ? new DomainError('not-found', 'there is no such file in /docs') : error;
        sendFailure(failure, request, reply);
      });
      await page.register(swaggerUi, {
        routePrefix: '/docs',
        uiConfig: { deepLinking: true },
        staticCSP: contentSecurityPolicy,
      });
    });
    app.get('/openapi.json', { config: { access: 'public' }, schema: { hide: true } }, async () => app.swagger());
  };
}
