import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { sendText } from '../http/est/failure.js';
import type { FailureLimiter } from '../http/failure-limiter.js';
import { enrollmentCaller, originOf } from '../http/request.js';
import type { App } from '../http/route.js';
import { readChannel } from '../http/est/channel.js';
import type { KeyType } from '../pki/public-key.js';
import { DomainError } from '../errors.js';
import { csrAttributes } from './csr-attributes.js';
import type { EstService, Sent } from './service.js';

type Deps = {
  service: EstService;
  failures: FailureLimiter;
  /** Whether the enrollment of a token was valid recently. */
  isRemembered(tokenHash: Buffer): boolean;
  /** Proxies whose `Client-Cert` is believed, as ranges. */
  proxies: readonly string[];
  /** Whether the server makes keys for devices that make none. */
  makesKeys: boolean;
};

const bases = ['/.well-known/est', '/.well-known/est/:label'];
const labelled = z.object({ label: z.string().max(64).optional() });
const certsOnly = 'application/pkcs7-mime; smime-type=certs-only';

type Request = FastifyRequest<{ Params: { label?: string } }>;

/** The routes of EST (RFC 7030 §3.2.2), for its listener alone. */
export function estRoutes({ service, failures, isRemembered, proxies, makesKeys }: Deps) {
  const sentBy = (request: Request): Sent => {
    if (typeof request.body !== 'string' || request.body === '')
      throw new DomainError('bad-csr', 'the body is empty: send the request in base64 as application/pkcs10');
    return { label: request.params.label, request: request.body, channel: readChannel(request, proxies) };
  };

  const authorities = async ({ params }: Request, reply: FastifyReply) =>
    sendBase64(reply, certsOnly, await service.authorities(params.label));

  const attributes = async ({ params }: Request, reply: FastifyReply) => {
    await service.accountOf(params.label);
    return sendBase64(reply, 'application/csrattrs', csrAttributes);
  };

  const enrolled = (request: Request, make: KeyType | undefined) => {
    if (request.caller === null)
      return failures.counting(
        request.ip,
        () => false,
        () => service.enrollProven(sentBy(request), originOf(request), make),
      );
    const caller = { ...enrollmentCaller(request), userName: userNameOf(request) };
    return failures.counting(
      request.ip,
      () => isRemembered(caller.tokenHash),
      () => service.enroll(caller, sentBy(request), originOf(request), make),
    );
  };

  const enroll = async (request: Request, reply: FastifyReply, make?: KeyType) => {
    const result = await enrolled(request, make);
    if (!('waiting' in result)) {
      const { certificate, privateKey } = result;
      return privateKey ? sendParts(reply, privateKey, certificate) : sendBase64(reply, certsOnly, certificate);
    }
    const { retryAfter, id } = result.waiting;
    return reply
      .code(202)
      .header('retry-after', retryAfter)
      .type('text/plain; charset=utf-8')
      .send(`An operator has to approve this device first (${id}): send the same request again in ${retryAfter} s.\n`);
  };

  const reenroll = async (request: Request, reply: FastifyReply) => {
    const sent = sentBy(request);
    // Looked up whatever the address did before: neighbours that fail lock out no device with a valid certificate.
    const isGood = await service.isGood(sent.channel);
    const certificate = await failures.counting(
      request.ip,
      () => isGood,
      () => service.reenroll(sent, originOf(request)),
    );
    return sendBase64(reply, certsOnly, certificate);
  };

  const makeKey = (request: Request, reply: FastifyReply) =>
    makesKeys ? enroll(request, reply, 'ec-p256') : isOff(request, reply);

  return async (app: App) => {
    app.removeAllContentTypeParsers();
    // Clients name many types: the body is base64 in all of them (RFC 8951 §3.1).
    app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
    app.setErrorHandler(sendText);
    const schema = { params: labelled, hide: true };
    for (const base of bases) {
      app.get<{ Params: { label?: string } }>(`${base}/cacerts`, { config: { access: 'public' }, schema }, authorities);
      app.get<{ Params: { label?: string } }>(`${base}/csrattrs`, { config: { access: 'public' }, schema }, attributes);
      app.post<{ Params: { label?: string } }>(
        `${base}/simpleenroll`,
        {
          config: {
            access: 'enrollment',
            provesItself: true,
            repeatsBy: 'a request with the same csr gets the same certificate',
          },
          schema,
        },
        (request, reply) => enroll(request, reply),
      );
      app.post<{ Params: { label?: string } }>(
        `${base}/simplereenroll`,
        { config: { access: 'public', repeatsBy: 'a request with the same csr gets the same certificate' }, schema },
        reenroll,
      );
      app.post<{ Params: { label?: string } }>(
        `${base}/serverkeygen`,
        {
          config: {
            access: 'enrollment',
            provesItself: true,
            repeatsBy: 'the server makes another key each time',
          },
          schema,
        },
        makeKey,
      );
      app.post(`${base}/fullcmc`, { config: { access: 'public', makesNothing: true }, schema: { hide: true } }, isOff);
    }
  };
}

/** What this server does not do (RFC 7030 §4.3, §4.4). */
function isOff({ url }: FastifyRequest, reply: FastifyReply): FastifyReply {
  const name = url.split('?')[0]!.split('/').at(-1)!;
  return reply
    .code(501)
    .type('text/plain; charset=utf-8')
    .send(`${name} is off here: devices make their keys, and enroll with simpleenroll\n`);
}

const boundary = 'thingward-est-parts';

/** A key that the server made, in PKCS #8, and the certificate for it (RFC 7030 §4.4.2). No base64 holds the boundary. */
function sendParts(reply: FastifyReply, key: Buffer, certificate: Buffer): FastifyReply {
  const part = (type: string, bytes: Buffer): string =>
    `--${boundary}\r\ncontent-type: ${type}\r\ncontent-transfer-encoding: base64\r\n\r\n${bytes.toString('base64')}\r\n`;
  return reply
    .type(`multipart/mixed; boundary=${boundary}`)
    .header('cache-control', 'no-store')
    .serializer((text: string) => text)
    .send(`${part('application/pkcs8', key)}${part(certsOnly, certificate)}--${boundary}--\r\n`);
}

/** In base64 on one line, with its length: some clients read neither more lines nor chunks (RFC 8951 §3.1). */
function sendBase64(reply: FastifyReply, type: string, bytes: Buffer): FastifyReply {
  return reply
    .type(type)
    .header('content-transfer-encoding', 'base64')
    .header('cache-control', 'no-store')
    .serializer((text: string) => text)
    .send(`${bytes.toString('base64')}\n`);
}

/** The user of Basic, before the first colon; empty for a bearer. */
function userNameOf({ headers }: FastifyRequest): string {
  const [scheme = '', base64 = ''] = (headers.authorization ?? '').split(' ');
  if (scheme.toLowerCase() !== 'basic') return '';
  return Buffer.from(base64, 'base64').toString('utf8').split(':', 1)[0]!;
}
