import { parse } from 'yaml';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { databaseKinds } from '../../support/databases/databases.js';
import { describeApi } from '../../support/openapi.js';
import { startServer, type TestServer } from '../../support/server.js';

type Operation = { operationId: string; requestBody?: { content: Record<string, { example?: object }> } };

/** What an example cannot have: it is somebody's secret, or belongs to one server. */
type Instead = (answers: Record<string, any>) => Record<string, unknown>;
type Step = { id: string; at?: Instead; instead?: Instead; status?: number; problem?: string };

const place: Instead = ({ listRevocations }) => ({ cursor: listRevocations.cursor });
const nobody: Instead = () => ({ id: '00000000-0000-4000-8000-000000000000' });
const proxy: Instead = ({ createProxy }) => ({ id: createProxy.id });

/** Every example in an order in which it works, on a server that is new. */
/** The edge that reported its sessions, in the run of the example. */
const ofEdge = ({ createProxy }: Record<string, any>) => ({ proxy: createProxy.id, incarnation: 'run-1' });

const steps: Step[] = [
  { id: 'createAccount' },
  { id: 'updateAccount', at: () => ({ name: 'acme' }) },
  { id: 'createPolicy' },
  { id: 'lintPolicy' },
  { id: 'createPolicyVersion', at: () => ({ name: 'pump-telemetry' }) },
  { id: 'activatePolicy', at: () => ({ name: 'pump-telemetry' }) },
  { id: 'simulatePolicies' },
  { id: 'createPipeline' },
  { id: 'lintPipeline' },
  { id: 'createPipelineVersion', at: () => ({ name: 'pump-telemetry' }) },
  { id: 'activatePipeline', at: () => ({ name: 'pump-telemetry' }) },
  { id: 'simulatePipeline', at: () => ({ name: 'pump-telemetry' }) },
  { id: 'simulatePipelineDocument' },
  { id: 'createSegment' },
  { id: 'updateSegment', at: () => ({ name: 'floor-1' }) },
  { id: 'createApiKey' },
  { id: 'updateApiKey', at: ({ createApiKey }) => ({ id: createApiKey.id }) },
  { id: 'createEnrollment' },
  { id: 'updateEnrollment', at: ({ createEnrollment }) => ({ id: createEnrollment.id }) },
  { id: 'provisionThing' },
  { id: 'updateThing', at: () => ({ name: 'pump-17' }) },
  { id: 'setThingPolicies', at: () => ({ name: 'pump-17' }) },
  { id: 'requestToken', instead: ({ provisionThing }) => ({ refresh_token: provisionThing.token.refreshToken }) },
  { id: 'introspectToken', instead: ({ requestToken }) => ({ token: requestToken.access_token }) },
  { id: 'authorizeAction' },
  { id: 'authorizeActions' },
  { id: 'evaluateAccess' },
  { id: 'evaluateAccesses' },
  { id: 'searchSubjects' },
  { id: 'searchActions' },
  { id: 'searchResources' },
  { id: 'authorizeAwsConnection' },
  { id: 'listRights' },
  { id: 'authorizeEmqxClient' },
  { id: 'authorizeEmqxMessage' },
  { id: 'authorizeMgate' },
  { id: 'authorizeHivemq' },
  { id: 'authorizeNats' },
  { id: 'authorizeVernemq' },
  { id: 'authorizeRabbitmqUser' },
  { id: 'authorizeRabbitmqHost' },
  { id: 'authorizeRabbitmqResource' },
  { id: 'authorizeRabbitmqTopic' },
  // Names alone count only for keys of brokers.
  { id: 'authorizeMosquittoUser', status: 403, problem: 'forbidden' },
  { id: 'authorizeMosquittoSuperuser', status: 403, problem: 'forbidden' },
  { id: 'authorizeMosquittoTopic', status: 403, problem: 'forbidden' },
  { id: 'createPerson' },
  { id: 'updatePerson', at: ({ createPerson }) => ({ id: createPerson.person.id }) },
  { id: 'updateSignInSettings' },
  { id: 'createSignInProvider' },
  { id: 'updateSignInProvider', at: ({ createSignInProvider }) => ({ id: createSignInProvider.id }) },
  {
    id: 'reportProviderLogout',
    at: ({ createSignInProvider }) => ({ provider: createSignInProvider.id }),
    status: 400,
    problem: 'invalid-request',
  },
  ...[
    'startPasswordSignIn',
    'finishPasswordSignIn',
    'finishPasswordSignInByRecoveryCode',
    'startPasskeySignIn',
    'finishPasskeySignIn',
    'openPersonLink',
    'acceptLinkByPasskey',
    'acceptLinkByPassword',
  ].map((id): Step => ({ id, status: 403, problem: 'cross-site' })),
  ...['confirmMe', 'addMyPasskey', 'setMyPassword', 'startCommandLineSignIn'].map((id): Step => ({
    id,
    status: 403,
    problem: 'forbidden',
  })),
  { id: 'finishCommandLineSignIn', status: 401, problem: 'invalid-credential' },
  { id: 'approveWaitingDevice', at: nobody, status: 404, problem: 'not-found' },
  { id: 'denyWaitingDevice', at: nobody, status: 404, problem: 'not-found' },
  { id: 'createIssuer' },
  {
    id: 'setManufacturerList',
    at: ({ createEnrollment }) => ({ id: createEnrollment.id }),
    status: 404,
    problem: 'not-found',
  },
  {
    id: 'setIssuerCertificate',
    at: ({ createIssuer }) => ({ id: createIssuer.id }),
    status: 422,
    problem: 'bad-chain',
  },
  { id: 'updateIssuer', at: ({ listIssuers }) => ({ id: listIssuers.items[0].id }) },
  { id: 'createProxy' },
  { id: 'reportApplied', at: proxy, instead: place },
  { id: 'reportSessions', at: proxy },
  { id: 'reportSite', at: proxy },
  { id: 'findPrincipals' },
  { id: 'findEdgeThings' },
  { id: 'createCommandSchema' },
  { id: 'createCommand', at: () => ({ name: 'pump-17' }) },
  { id: 'claimCommands', instead: ofEdge },
  { id: 'reportCommands', instead: ofEdge },
  { id: 'createAlertChannel' },
  { id: 'updateAlertChannel', at: ({ createAlertChannel }) => ({ id: createAlertChannel.id }) },
  { id: 'createAlertRule' },
  { id: 'updateAlertRule', at: ({ createAlertRule }) => ({ id: createAlertRule.id }) },
  { id: 'createWebhook' },
  { id: 'updateWebhook', at: ({ createWebhook }) => ({ id: createWebhook.id }) },
  { id: 'createGroup' },
  { id: 'updateGroup', at: ({ createGroup }) => ({ name: createGroup.name }) },
  { id: 'createCampaign' },
  { id: 'createBulkRevocation' },
  { id: 'renewCertificate', status: 401, problem: 'invalid-client' },
  { id: 'revokeSelf', status: 401, problem: 'invalid-client' },
  {
    id: 'revokeCertificate',
    at: ({ provisionThing }) => ({ serialNumber: provisionThing.certificate.serialNumber }),
  },
  { id: 'reenrollThing', at: () => ({ name: 'pump-17' }) },
  { id: 'revokeThing', at: () => ({ name: 'pump-17' }) },
  { id: 'revokeToken', instead: ({ requestToken }) => ({ token: requestToken.refresh_token }) },
  { id: 'revokeEnrollment', at: ({ createEnrollment }) => ({ id: createEnrollment.id }) },
  { id: 'setAwsMirror' },
  { id: 'startAwsImport', status: 404, problem: 'not-found' },
  { id: 'startAwsReconciliation', status: 404, problem: 'not-found' },
];

let server: TestServer;
let operations: Map<string, Operation & { method: string; path: string }>;

beforeAll(async () => {
  server = await startServer(databaseKinds[0]!);
  const { paths } = parse(await describeApi(), { version: '1.1' }) as {
    paths: Record<string, Record<string, Operation>>;
  };
  const found = Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ ...operation, method: method.toUpperCase(), path })),
  );
  operations = new Map(found.map((operation) => [operation.operationId, operation]));
});

afterAll(() => server.stop());

const exampleOf = (id: string) => Object.values(operations.get(id)?.requestBody?.content ?? {})[0]?.example;

it('every example of openapi.yaml works on a new server, in one order', async () => {
  const withExample = [...operations.keys()].filter((id) => exampleOf(id) !== undefined);
  expect(steps.map(({ id }) => id).sort()).toEqual(withExample.sort());

  const { body: listIssuers } = await server.owner.get('/v1/issuers');
  const { body: listRevocations } = await server.owner.get('/v1/revocations');
  const answers: Record<string, any> = { listIssuers, listRevocations };
  for (const { id, at, instead, status, problem } of steps) {
    const { method, path } = operations.get(id)!;
    const places = at?.(answers) ?? {};
    const url = path.replace(/\{(\w+)\}/g, (_, name: string) => String(places[name]));
    const caller = id === 'provisionThing' ? server.as(answers['createEnrollment'].token as string) : server.owner;
    const answer = await caller.send(method, url, { ...exampleOf(id), ...instead?.(answers) });
    if (status === undefined) expect(answer.status, `${id}: ${answer.text}`).toBeLessThan(300);
    else expect([answer.status, answer.body.type], id).toEqual([status, `urn:thingward:problem:${problem}`]);
    answers[id] = answer.body;
  }
});

it('GET / leads to the documentation: as a page for people, as JSON for programs', async () => {
  const { body, headers } = await server.as(undefined).get('/');
  expect(headers.get('vary')).toContain('accept');
  for (const path of Object.values(body as Record<string, string>).filter((value) => value.startsWith('/'))) {
    const { status } = await server.as(undefined).get(path);
    expect(status, path).toBe(200);
  }
  const page = await server.as(undefined).send('GET', '/', undefined, { accept: 'text/html,*/*;q=0.8' });
  expect(page.headers.get('content-type')).toContain('text/html');
  expect(page.text).toContain('href="/docs"');
});

it('/docs has no mark of another program', async () => {
  for (const path of ['/docs/static/index.html', '/docs/static/swagger-initializer.js']) {
    const { status, text } = await server.as(undefined).get(path);
    expect(status, path).toBe(200);
    expect(text).not.toMatch(/smartbear|favicon-32x32\.png/i);
  }
  const { text } = await server.as(undefined).get('/docs/static/theme/thingward.svg');
  expect(text).toContain('Thingward');
});
