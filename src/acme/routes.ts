import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { sendAcmeFailure } from '../http/acme/failure.js';
import type { FailureLimiter } from '../http/failure-limiter.js';
import { originOf } from '../http/request.js';
import type { App } from '../http/route.js';
import type { Origin } from '../origin.js';
import type { AccountService } from './accounts.js';
import type { Links } from './links.js';
import type { Nonces } from './signed/nonces.js';
import type { OrderService, ShownOrder } from './orders.js';
import type { ByAccount, ByKey, Posted, Requests } from './signed/requests.js';

type Deps = {
  service: {
    links: Links;
    nonces: Pick<Nonces, 'create'>;
    requests: Requests;
    accounts: AccountService;
    orders: OrderService;
    download(asked: ByAccount, serialNumber: string): Promise<string>;
    revoke(asked: ByAccount | ByKey, origin: Origin): Promise<void>;
    renewalInfo(certId: string): Promise<object>;
  };
  failures: FailureLimiter;
};

const base = '/acme';
const withId = z.object({ id: z.string().max(64) });
const withSerial = z.object({ serialNumber: z.string().max(64) });
const withCertId = z.object({ certId: z.string().max(256) });
const ofPage = z.object({ after: z.uuid().optional() });
const open = { access: 'public' as const };
// Every request has its own nonce, and what is recorded tells what it leads to.
const signed = { ...open, repeatsBy: 'the nonce of a request counts once; its repetition needs another' };
const renewalInfoSeconds = 21_600;

type Request = FastifyRequest<{ Params: unknown; Querystring: unknown }>;
type Judge<Asked> = (posted: Posted) => Asked | Promise<Asked>;

/** The routes of ACME (RFC 8555 §7.1, RFC 9773 §4). Their requests are signed, so no other credential is looked at. */
export function acmeRoutes({ service, failures }: Deps) {
  const { links, nonces, requests, accounts, orders } = service;

  /** Judges the signature of a request and answers it; failures that guess at keys count for the address. */
  const answering =
    <Asked>(judge: Judge<Asked>, work: (asked: Asked, request: Request, reply: FastifyReply) => Promise<unknown>) =>
    (request: Request, reply: FastifyReply) => {
      const posted = { body: (request.body as string | undefined) ?? '', path: request.url };
      return failures.counting(
        request.ip,
        () => requests.recognises(posted),
        async () => work(await judge(posted), request, reply.header('cache-control', 'no-store')),
      );
    };

  const sendOrder = (reply: FastifyReply, { shown, retryAfter, id }: ShownOrder) => {
    if (retryAfter !== undefined) void reply.header('retry-after', retryAfter);
    return reply.header('location', links.order(id)).send(shown);
  };

  return async (app: App) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('application/jose+json', { parseAs: 'string' }, (_request, body, done) =>
      done(null, body),
    );
    app.setErrorHandler(sendAcmeFailure);
    app.addHook('onSend', async ({ method, routeOptions: { url } }, reply) => {
      const index = url === `${base}/directory` ? [] : [`<${links.directory}>;rel="index"`];
      void reply.header('link', [reply.getHeader('link') ?? [], index].flat());
      if (method === 'POST') void reply.header('replay-nonce', nonces.create());
    });
    const post = <Asked>(
      path: string,
      judge: Judge<Asked>,
      work: (asked: Asked, request: Request, reply: FastifyReply) => Promise<unknown>,
      schema: object = {},
    ) => app.post(`${base}${path}`, { config: signed, schema: { hide: true, ...schema } }, answering(judge, work));

    app.get(`${base}/directory`, { config: open, schema: { hide: true } }, async () => {
      const { newNonce, newAccount, newOrder, revokeCert, keyChange, renewalInfo } = links;
      const meta = { externalAccountRequired: true };
      return { newNonce, newAccount, newOrder, revokeCert, keyChange, renewalInfo, meta };
    });

    const nonce = (status: number) => (_request: unknown, reply: FastifyReply) =>
      reply.code(status).header('replay-nonce', nonces.create()).header('cache-control', 'no-store').send();
    app.head(`${base}/new-nonce`, { config: open, schema: { hide: true } }, nonce(200));
    app.get(`${base}/new-nonce`, { config: open, schema: { hide: true }, exposeHeadRoute: false }, nonce(204));

    post('/new-account', requests.ofKey, async (asked, request, reply) => {
      const { created, id, shown } = await accounts.open(asked, originOf(request));
      return reply
        .code(created ? 201 : 200)
        .header('location', links.account(id))
        .send(shown);
    });

    post(
      '/account/:id',
      requests.ofAccount,
      (asked, request) => accounts.update(asked, idOf(request), originOf(request)),
      { params: withId },
    );

    post(
      '/account/:id/orders',
      requests.ofAccount,
      async (asked, { params, query }, reply) => {
        const { after } = query as z.output<typeof ofPage>;
        const { next, ...page } = await orders.list(asked, (params as { id: string }).id, after);
        if (next !== undefined) void reply.header('link', `<${next}>;rel="next"`);
        return page;
      },
      { params: withId, querystring: ofPage },
    );

    post('/key-change', requests.ofAccount, (asked, request) => accounts.changeKey(asked, originOf(request)));

    post('/new-order', requests.ofAccount, async (asked, request, reply) =>
      sendOrder(reply.code(201), await orders.create(asked, originOf(request))),
    );

    post(
      '/order/:id',
      requests.ofAccount,
      async (asked, request, reply) => sendOrder(reply, await orders.read(asked, idOf(request), originOf(request))),
      { params: withId },
    );

    post(
      '/order/:id/finalize',
      requests.ofAccount,
      async (asked, request, reply) => sendOrder(reply, await orders.finalize(asked, idOf(request), originOf(request))),
      { params: withId },
    );

    post('/authorization/:id', requests.ofAccount, (asked, request) => orders.authorization(asked, idOf(request)), {
      params: withId,
    });

    post(
      '/certificate/:serialNumber',
      requests.ofAccount,
      async (asked, { params }, reply) => {
        const pem = await service.download(asked, (params as { serialNumber: string }).serialNumber);
        return reply
          .type('application/pem-certificate-chain')
          .serializer((text: string) => text)
          .send(pem);
      },
      { params: withSerial },
    );

    post('/revoke-cert', requests.ofEither, async (asked, request, reply) => {
      await service.revoke(asked, originOf(request));
      return reply.code(200).send();
    });

    app.get(
      `${base}/renewal-info/:certId`,
      { config: open, schema: { hide: true, params: withCertId } },
      async ({ params }, reply) => {
        void reply.header('retry-after', renewalInfoSeconds);
        return service.renewalInfo(params.certId);
      },
    );
  };
}

const idOf = ({ params }: Request): string => (params as { id: string }).id;
