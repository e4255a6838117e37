import { z } from 'zod';
import { problemOf } from '../../http/problems.js';
import type { App } from '../../http/route.js';
import type { AwsAuthorizer } from './aws-authorizer.js';
import { mountDialect } from './dialect.js';

const text = z.string().max(65_536);
/** AWS may say more than is read here, now or later. */
const event = z.looseObject({
  token: text.optional(),
  signatureVerified: z.boolean().optional(),
  protocols: z.array(text).max(16).optional(),
  protocolData: z
    .looseObject({
      mqtt: z
        .looseObject({ username: text.optional(), password: text.optional(), clientId: text.optional() })
        .optional(),
      http: z.looseObject({ headers: z.record(z.string(), text).optional(), queryString: text.optional() }).optional(),
      tls: z.looseObject({ serverName: text.optional() }).optional(),
    })
    .optional(),
});

const statement = z.object({
  Effect: z.enum(['Allow', 'Deny']),
  Action: z.array(z.string()),
  Resource: z.array(z.string()),
  Condition: z.record(z.string(), z.record(z.string(), z.array(z.string()))).optional(),
});
const response = z.object({
  isAuthenticated: z.boolean(),
  principalId: z.string().regex(/^[a-zA-Z0-9]{1,128}$/),
  disconnectAfterInSeconds: z.int().min(300).max(86_400),
  refreshAfterInSeconds: z.int().min(300).max(86_400),
  policyDocuments: z.array(z.object({ Version: z.literal('2012-10-17'), Statement: z.array(statement) })).max(10),
});

/** `POST /integrations/aws-authorizer`: a Lambda passes the event on and the answer back. */
export function awsAuthorizerRoutes(authorizer: AwsAuthorizer) {
  return async (app: App) =>
    mountDialect(app, {
      url: '/integrations/aws-authorizer',
      access: 'authorize:query',
      schema: {
        summary: "The answer of an AWS IoT custom authorizer; the key has to be made 'bearer'",
        tags: ['integrations'],
        querystring: z.looseObject({
          key: z.string().optional().describe('A key with inUrl, where no header can be set'),
        }),
        response: { 200: response },
      },
      body: event,
      questionOf: (asked) => asked,
      decide: authorizer,
      answerOf: (body) => ({ body }),
      // AWS admits nobody whose authorizer answers anything but a policy, and writes what it answered to its log.
      failureOf: problemOf,
    });
}
