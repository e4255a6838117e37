import { z } from 'zod';
import { named } from '../../api/named.js';
import { problemOf } from '../../http/problems.js';
import type { App } from '../../http/route.js';
import { awsStatement } from '../../shapes.js';
import type { AwsAuthorizer } from './aws-authorizer.js';
import { mountDialect } from './dialect.js';

const text = z.string().max(65_536);
/** AWS may say more than is read here, now or later. */
const mqtt = named(
  'AwsConnectMqtt',
  'What an MQTT connection shows',
  z.looseObject({
    username: text.optional().describe('The user name'),
    password: text.optional().describe('The password, in base64: an access token'),
    clientId: text.optional().describe('The client id'),
  }),
);
const http = named(
  'AwsConnectHttp',
  'What an HTTP request shows',
  z.looseObject({
    headers: z.record(z.string(), text).optional().describe('Its headers'),
    queryString: text.optional().describe('Its query'),
  }),
);
const tls = named(
  'AwsConnectTls',
  'What a TLS connection shows',
  z.looseObject({
    serverName: text.optional().describe('The server name that was asked for'),
  }),
);
const event = named(
  'AwsAuthorizerEvent',
  'What AWS IoT sends to a custom authorizer',
  z.looseObject({
    token: text.optional().describe('The token that the device sent'),
    signatureVerified: z.boolean().optional().describe('Ignored'),
    protocols: z.array(text).max(16).optional().describe('What the connection speaks'),
    protocolData: named(
      'AwsProtocolData',
      'What the connection shows',
      z.looseObject({
        mqtt: mqtt.optional(),
        http: http.optional(),
        tls: tls.optional(),
      }),
    ).optional(),
  }),
).meta({ examples: [{ token: 'eyJ...', protocols: ['tls', 'mqtt'] }] });

const policy = named(
  'AwsAuthorizerPolicy',
  'An AWS IoT policy',
  z.object({
    Version: z.literal('2012-10-17').describe('The version of the language'),
    Statement: z.array(awsStatement).describe('The statements'),
  }),
);
const response = named(
  'AwsAuthorizerAnswer',
  'What a custom authorizer answers to AWS IoT',
  z.object({
    isAuthenticated: z.boolean().describe('Whether the device may connect'),
    principalId: z
      .string()
      .regex(/^[a-zA-Z0-9]{1,128}$/)
      .meta({ description: 'Who connects', examples: ['pump17'] }),
    disconnectAfterInSeconds: z.int().min(300).max(86_400).describe('When AWS ends the connection'),
    refreshAfterInSeconds: z.int().min(300).max(86_400).describe('When AWS asks again'),
    policyDocuments: z.array(policy).max(10).describe('What the device may do'),
  }),
);

/** `POST /integrations/aws-authorizer`: a Lambda passes the event on and the answer back. */
export function awsAuthorizerRoutes(authorizer: AwsAuthorizer) {
  return async (app: App) =>
    mountDialect(app, {
      url: '/integrations/aws-authorizer',
      access: 'authorize:query',
      schema: {
        operationId: 'authorizeAwsConnection',

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
