import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import { certificateCalls } from './fake-iot-certificates.js';
import { policyCalls } from './fake-iot-policies.js';
import { arn, createState, idOf, Refusal } from './fake-iot-state.js';
import { thingCalls } from './fake-iot-things.js';
import { awsAccount } from './moto.js';

/**
 * The wire calls of AWS IoT's registry with state, as AWS documents them where moto differs: conflicts, limits,
 * detaching that takes effect later, pages, roles; and every fault that a network or AWS can have.
 */
export type Fault =
  | 'throttle'
  | '503'
  | '500'
  | 'refused'
  | 'before'
  | 'after'
  | 'slow'
  | 'not-found'
  | 'exists'
  | 'denied'
  | 'html'
  | 'empty'
  | 'huge';

export const faults: Fault[] = ['throttle', '503', '500', 'refused', 'before', 'after', 'slow', 'not-found', 'exists'];

export type FakeIot = Awaited<ReturnType<typeof startFakeIot>>;

type Options = {
  /** What goes wrong with a call. */
  faultFor?: (call: string, subject: string) => Fault | undefined;
  now?: () => number;
  /** Told of every call that will never be answered, once it had its effect if it has one. */
  onSilence?: () => void;
  pageSize?: number;
  /** What a role's trust policy says to who asks for it. */
  trusts?: (role: Role) => boolean;
};

export async function startFakeIot({
  faultFor = () => undefined,
  now = () => performance.now(),
  onSilence = () => {},
  pageSize = 5,
  trusts = () => true,
}: Options = {}) {
  const state = createState(pageSize);
  const { calls, roles } = state;
  const handlers = [...thingCalls(state), ...certificateCalls(state), ...policyCalls(state)];

  /** Detaching is seen some calls later, or `now`. */
  const settleDetached = (now = false) => {
    state.leaving = state.leaving.filter(({ certificate, thing, after }) => {
      if (!now && calls.length < after) return true;
      if (certificate.thing === thing) certificate.thing = undefined;
      return false;
    });
  };

  const handle = async (incoming: IncomingMessage, answer: ServerResponse): Promise<void> => {
    const text = await readText(incoming);
    const url = new URL(incoming.url!, 'http://fake');
    if (url.pathname === '/') return answerSts(new URLSearchParams(text), answer, roles, trusts);
    const path = url.pathname.split('/').map(decodeURIComponent).join('/');
    const route = handlers.find(([method, pattern]) => method === incoming.method && pattern.test(path));
    if (!route) return send(answer, new Refusal(404, 'UnknownOperationException'));
    const [, pattern, call, work] = route;
    const names = pattern.exec(path)!.slice(1);
    const body = text === '' ? undefined : JSON.parse(text);
    const principal = String(incoming.headers['x-amzn-principal'] ?? incoming.headers['x-amzn-iot-principal'] ?? '');
    const subject = subjectOf(names, body, principal);
    calls.push({ call, at: now(), subject });
    settleDetached();
    const fault = faultFor(call, subject);
    await answerWith(fault, call, incoming, answer, () => work(names, { query: url.searchParams, body, principal }));
    if (fault === 'before' || fault === 'after') onSilence();
  };

  const server = createServer(
    (request, answer) =>
      void handle(request, answer).catch((error: unknown) => {
        answer.statusCode = 500;
        answer.end(String(error));
      }),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
    ...state,
    arn,
    settleDetached,
    async stop(): Promise<void> {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

async function readText(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

/** Does a call, or what the fault makes of it. */
async function answerWith(
  fault: Fault | undefined,
  call: string,
  incoming: IncomingMessage,
  answer: ServerResponse,
  work: () => unknown,
): Promise<void> {
  if (fault === 'before') return;
  if (fault === 'refused') return void incoming.socket.destroy();
  // What a proxy in between, or a broken server, might say.
  if (fault === 'html')
    return void answer.writeHead(502, { 'content-type': 'text/html' }).end('<html>bad gateway\0</html>');
  if (fault === 'empty') return send(answer, {});
  if (fault === 'huge')
    return send(answer, new Refusal(500, 'InternalFailureException', { message: 'x\0'.repeat(100_000) }));
  const refusal = refusals[fault as keyof typeof refusals];
  if (refusal) return send(answer, refusal(call));
  const result = attempt(work);
  if (fault === 'after') return;
  if (fault === 'slow') await new Promise((resolve) => setTimeout(resolve, 10));
  const repeated = fault === 'exists' && !(result instanceof Refusal);
  return send(answer, repeated ? new Refusal(409, 'ResourceAlreadyExistsException', result as object) : result);
}

function attempt(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
}

const refusals = {
  throttle: () => new Refusal(400, 'ThrottlingException'),
  503: () => new Refusal(503, 'ServiceUnavailableException'),
  500: () => new Refusal(500, 'InternalFailureException'),
  'not-found': () => new Refusal(404, 'ResourceNotFoundException'),
  denied: (call: string) =>
    new Refusal(403, 'AccessDeniedException', { message: `not authorized to perform: iot:${call}` }),
};

/** The thing or certificate that a call is about. */
function subjectOf(names: string[], body: any, principal: string): string {
  if (body?.certificatePem) return idOf(body.certificatePem);
  const target = String(body?.target ?? principal).split(':cert/')[1];
  return target ?? body?.thingName ?? names[0] ?? '';
}

function send(answer: ServerResponse, result: unknown): void {
  answer.setHeader('content-type', 'application/json');
  if (result instanceof Refusal) {
    answer.statusCode = result.status;
    answer.setHeader('x-amzn-errortype', result.code);
    return void answer.end(JSON.stringify({ message: result.message, ...result.extra }));
  }
  answer.end(JSON.stringify(result ?? {}));
}

type Role = { roleArn: string; externalId: string };

/** Who we are, and roles taken on. */
function answerSts(
  form: URLSearchParams,
  answer: ServerResponse,
  roles: Role[],
  trusts: (role: Role) => boolean,
): void {
  const action = form.get('Action')!;
  answer.setHeader('content-type', 'text/xml');
  const wrap = (inner: string) =>
    answer.end(
      `<${action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><${action}Result>${inner}</${action}Result></${action}Response>`,
    );
  if (action === 'GetCallerIdentity')
    return void wrap(`<Arn>arn:aws:iam::${awsAccount}:user/u</Arn><UserId>u</UserId><Account>${awsAccount}</Account>`);
  const role = { roleArn: form.get('RoleArn')!, externalId: form.get('ExternalId')! };
  if (!trusts(role)) {
    answer.statusCode = 403;
    const error = '<Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not authorized</Message></Error>';
    return void answer.end(`<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">${error}</ErrorResponse>`);
  }
  roles.push(role);
  const until = new Date(Date.now() + 3_600_000).toISOString();
  wrap(
    `<Credentials><AccessKeyId>AKIA</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>${until}</Expiration></Credentials>`,
  );
}
