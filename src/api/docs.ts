import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyError, FastifyInstance, RouteOptions } from 'fastify';
import { jsonSchemaTransform } from 'fastify-type-provider-zod';
import type { OpenAPIV3_1 } from 'openapi-types';
import { DomainError } from '../errors.js';
import { problems } from '../problem-kinds.js';
import { publish } from './api-document.js';
import { keepsAnswers } from './idempotency.js';
import { logo, mountIndex } from './index-page.js';
import { isConditional } from './preconditions.js';
import { sendFailure } from '../http/problems.js';
import type { App } from '../http/route.js';

const description =
  'Device identity and policy for edge fleets. Every error is an application/problem+json document; docs/problems.md explains each type.';

const security: Record<string, string> = { enrollment: 'enrollmentToken', thing: 'accessToken', person: 'session' };

const bearer = { type: 'http', scheme: 'bearer' } as const;

/** Describes every route that is registered after this, from the schemas that the routes themselves use. */
export async function installDocs(app: FastifyInstance, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Thingward',
        version,
        description,
        contact: { name: 'Thingward' },
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [{ url: '/', description: 'The server that this document comes from' }],
      security: [],
      tags: Object.entries(tags).map(([name, about]) => ({ name, description: about })),
      components: {
        schemas: { Problem: problem, OAuthError: oauthError },
        securitySchemes: {
          apiKey: { ...bearer, description: 'An API key, twk_...' },
          enrollmentToken: { ...bearer, description: 'An enrollment token, twe_...' },
          accessToken: { ...bearer, bearerFormat: 'JWT', description: "A device's access token" },
          session: {
            type: 'apiKey',
            in: 'cookie',
            name: '__Host-thingward',
            description:
              'The session of a person who signed in. What changes something needs Sec-Fetch-Site: same-origin, or an Origin that is this server.',
          },
        },
      },
    } as OpenAPIV3_1.Document,
    transform: ({ route, ...described }) => complete(jsonSchemaTransform({ route, ...described }), route),
    transformObject: (document) =>
      'openapiObject' in document ? publish(document.openapiObject as OpenAPIV3_1.Document) : document.swaggerObject,
  });
  app.addHook('onRoute', describeAccess);
}

/** What the groups of operations are for. */
const tags = {
  accounts: 'Tenants',
  'api keys': 'Credentials of programs',
  people: 'Who signs in',
  'sign-in': 'How people sign in',
  me: 'What people do for themselves',
  enrollments: 'Who may create things',
  agents: 'What devices call themselves',
  tokens: 'Access tokens of devices, for OAuth clients too',
  things: 'The registry of devices',
  commands: 'What devices are told to do',
  campaigns: 'What is done to many devices, in waves',
  certificates: 'The certificates of devices',
  segments: 'Parts of the network',
  issuers: 'Certificate authorities',
  policies: 'What things may do',
  pipelines: 'What edges make of messages',
  proxies: 'Decisions for proxies and brokers',
  integrations: 'Decisions in the words of other programs',
  edges: 'What edges decide from, and what they report',
  revocations: 'What is revoked, and who enforces it',
  'public key infrastructure': 'Lists, chains and OCSP, for anybody',
  aws: 'The mirror in AWS IoT Core',
  audit: 'Who did what, and what was decided',
  monitoring: 'Figures, alerts, and where they are told',
  operations: 'Health and metrics',
};

const problem = {
  type: 'object',
  description: 'What went wrong, and what to do next (RFC 9457)',
  required: ['type', 'title', 'status', 'detail'],
  properties: {
    type: {
      type: 'string',
      description: 'urn:thingward:problem:CODE, stable',
      examples: ['urn:thingward:problem:not-found'],
    },
    title: { type: 'string', description: 'The kind of problem, for people', examples: [problems['not-found'].title] },
    status: { type: 'integer', description: 'The status of the answer', examples: [404] },
    detail: {
      type: 'string',
      description: 'What happened and what to do next',
      examples: ['there is no thing pump-17: look at /v1/things'],
    },
    requestId: { type: 'string', description: 'The request in the log of the server' },
    errors: {
      type: 'array',
      description: 'Where a body or query does not have the documented shape',
      items: { type: 'object', additionalProperties: true },
    },
  },
};

const oauthError = {
  type: 'object',
  description: 'A failure in the words of OAuth (RFC 6749)',
  required: ['error', 'error_description', 'type'],
  properties: {
    error: { type: 'string', description: 'A code of RFC 6749 or RFC 6750', examples: ['invalid_grant'] },
    error_description: { type: 'string', description: 'What happened and what to do next' },
    type: problem.properties.type,
    requestId: problem.properties.requestId,
  },
};

type Transformed = ReturnType<typeof jsonSchemaTransform>;

/** The rest of a path is a parameter, which OpenAPI wants named. What a route sends is for {@link publish} to tell. */
function complete({ schema, url: pattern }: Transformed, { method, config = {} }: RouteOptions): Transformed {
  const url = pattern.replace(/\*$/, ':rest');
  if (schema['hide']) return { schema, url };
  const { sends, takes, refusesAs } = config;
  const { params, ...rest } = schema as { params?: JsonSchema };
  return {
    schema: {
      ...rest,
      ...(params ? { params: url === pattern ? params : renameRest(params) } : {}),
      ...(sends ? { 'x-sends': sends } : {}),
      ...(takes ? { 'x-takes': takes } : {}),
      ...(refusesAs ? { 'x-refuses-as': refusesAs } : {}),
      ...(keepsAnswers({ method, config }) ? { 'x-keeps-answers': true } : {}),
      ...(isConditional({ method, config }) ? { 'x-conditional': true } : {}),
    },
    url,
  };
}

type JsonSchema = { properties: Record<string, unknown>; required?: string[] };

function renameRest({ properties: { '*': rest, ...others }, required, ...schema }: JsonSchema): JsonSchema {
  const names = required?.map((name) => (name === '*' ? 'rest' : name));
  return { ...schema, properties: { ...others, rest }, ...(names ? { required: names } : {}) };
}

function describeAccess(route: RouteOptions): void {
  const access = route.config?.access;
  if (!route.schema || access === undefined) return;
  const scheme = access === 'public' ? undefined : (security[access] ?? 'apiKey');
  const isPermission = scheme === 'apiKey';
  const byPerson = isPermission && !route.url.startsWith('/integrations/') ? [{ session: [] }] : [];
  route.schema.security = scheme === undefined ? [] : [{ [scheme]: [] }, ...byPerson];
  const needs = isPermission ? `Needs the permission \`${access}\`.` : credentials[access]!;
  const said = route.schema.description;
  // A GET and the HEAD that comes with it have one schema.
  if (said?.endsWith(needs)) return;
  route.schema.description = said === undefined ? needs : `${said}\n\n${needs}`;
}

const credentials: Record<string, string> = {
  public: 'Needs no credential in its head.',
  enrollment: 'Needs an enrollment token.',
  thing: 'Needs the access token of a device.',
  person: 'Needs the session of a person.',
};

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

const icon = { type: 'image/svg+xml', content: logo };

/** `/openapi.json`, the same to read and try at `/docs`, and `/`, which leads to both. */
export function docsRoutes(version: string) {
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
        theme: { title: 'Thingward', favicon: [{ ...icon, filename: 'thingward.svg', rel: 'icon', sizes: 'any' }] },
        logo: { ...icon, href: '/', target: '_self' },
        staticCSP: contentSecurityPolicy,
      });
    });
    mountIndex(app, version);
    app.get('/openapi.json', { config: { access: 'public' }, schema: { hide: true } }, async () => app.swagger());
  };
}
