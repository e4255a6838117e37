import { hash, randomUUID } from 'node:crypto';
import { rfc3339, type Clock } from '../clock.js';
import type { Origin } from '../origin.js';
import { thingUri } from '../pki/certificate.js';
import { dnsNamesOf, parseCsrDer, requireProfile } from '../pki/csr/csr.js';
import type { AccountStore, AcmeAccount } from './account-store.js';
import { decodeBase64url } from './signed/base64url.js';
import type { Issuing } from './issuing.js';
import { uuidForm, type Links } from './links.js';
import { nameOf } from './names.js';
import type { Order, OrderStore } from './order-store.js';
import { isRead, payloadOf, requireRead } from './signed/payload.js';
import { acmeProblem, refusal } from './problem.js';
import { serialOfCertId } from './renewal-info.js';
import { requireOwn, type ByAccount } from './signed/requests.js';
import * as schema from './schema.js';
import type { ThingStore } from './thing-store.js';

type Deps = {
  store: OrderStore;
  accounts: Pick<AccountStore, 'findByKey'>;
  things: Pick<ThingStore, 'findCertificate'>;
  issuing: Issuing;
  clock: Clock;
  links: Links;
};

/** An order as its account sees it, and when to ask again while it is not done. */
export type ShownOrder = { id: string; shown: object; retryAfter?: number };

const pageSize = 100;

export type OrderService = ReturnType<typeof createOrderService>;

/** Orders and their authorizations (RFC 8555 §7.4, §7.5). */
export function createOrderService({ store, accounts, things, issuing, clock, links }: Deps) {
  /** @throws DomainError `malformed` with 404 */
  const get = async ({ id: acmeAccountId }: AcmeAccount, id: string): Promise<Order> => {
    const order = uuidForm.test(id) ? await store.find(acmeAccountId, id, clock()) : undefined;
    if (!order) throw refusal('notFound', `the account has no order ${id}, or it has expired: make a new one`);
    return order;
  };

  const shown = (order: Order, retryAfter?: number): ShownOrder => ({
    id: order.id,
    shown: {
      status: order.status,
      expires: rfc3339(order.expiresAt),
      identifiers: [identifierOf(order)],
      authorizations: [links.authorization(order.id)],
      finalize: links.finalize(order.id),
      ...(order.replaces === null ? {} : { replaces: order.replaces }),
      ...(order.problem === null ? {} : { error: order.problem }),
      ...(order.serialNumber === null ? {} : { certificate: links.certificate(order.serialNumber) }),
    },
    ...(retryAfter === undefined ? {} : { retryAfter }),
  });

  /** Goes on with an order that is being processed, also after a crash. */
  const advanced = async (account: AcmeAccount, order: Order, origin: Origin, isFinalizing = false) => {
    if (order.status !== 'processing') return shown(order);
    const { retryAfter } = await issuing.advance(account, order, origin, isFinalizing);
    return shown(await get(account, order.id), retryAfter);
  };

  const requireReplaceable = async ({ id }: AcmeAccount, certId: string, name: string): Promise<void> => {
    const serialNumber = serialOfCertId(certId)?.serialNumber;
    const certificate = serialNumber === undefined ? undefined : await things.findCertificate(id, serialNumber);
    if (certificate?.name !== name)
      throw refusal('malformed', 'replaces names no certificate of this account for this name: leave it out');
    if (await store.isReplaced(id, certId, clock()))
      throw refusal(
        'alreadyReplaced',
        'another order replaces that certificate: use that order, or leave replaces out',
      );
  };

  /** The key of a request for a thing. @throws DomainError `badCSR`, `badPublicKey` */
  const keyOf = async (csr: Buffer, { account }: AcmeAccount, name: string): Promise<Buffer> => {
    const request = parseCsrDer(csr);
    const names = new Set([
      ...(request.requestedName === undefined ? [] : [request.requestedName]),
      ...dnsNamesOf(request),
    ]);
    if (names.size !== 1 || !names.has(name))
      throw refusal(
        'badCSR',
        `the names of the request have to be those of the order, ${name} alone, as CN or DNS name`,
      );
    requireProfile(request, thingUri(account, name), name);
    const spkiSha256 = hash('sha256', request.publicKey.spki, 'buffer');
    // Whoever holds the key of an account must not get it certified too (RFC 8555 §11.1).
    if (await accounts.findByKey(spkiSha256))
      throw refusal('badCSR', 'the key of the request is that of an account: make another one for the certificate');
    return spkiSha256;
  };

  return {
    /** A new order, whose authorization is valid at once: the enrollment is what authorizes. @throws DomainError of ACME */
    async create({ account, jws }: ByAccount, origin: Origin): Promise<ShownOrder> {
      const asked = payloadOf(jws, schema.newOrder);
      if (asked.notBefore !== undefined || asked.notAfter !== undefined)
        throw refusal('malformed', 'the server sets the validity of certificates: leave notBefore and notAfter out');
      const name = nameOf(asked.identifiers);
      await issuing.requireOrderable(account, name, origin);
      const { replaces = null } = asked;
      if (replaces !== null) await requireReplaceable(account, replaces, name);
      const id = randomUUID();
      await store.insert({ id, acmeAccountId: account.id, thingName: name, replaces, at: clock() });
      return shown(await get(account, id));
    },

    /** @throws DomainError of ACME */
    async read({ account, jws }: ByAccount, id: string, origin: Origin): Promise<ShownOrder> {
      requireRead(jws);
      return advanced(account, await get(account, id), origin);
    },

    /** The orders of an account, in pages. @throws DomainError of ACME */
    async list({ account, jws }: ByAccount, id: string, after: string | undefined) {
      requireRead(jws);
      requireOwn(account, id);
      const ids = await store.list(id, after, pageSize + 1, clock());
      const page = ids.slice(0, pageSize);
      return {
        orders: page.map(links.order),
        ...(ids.length > pageSize ? { next: links.orders(id, page.at(-1)) } : {}),
      };
    },

    /**
     * Takes the request of an order, and issues. The same request again is answered with the order as it is.
     * @throws DomainError `orderNotReady`, `badCSR`, and others of ACME
     */
    async finalize({ account, jws }: ByAccount, id: string, origin: Origin): Promise<ShownOrder> {
      const csr = decodeBase64url(payloadOf(jws, schema.finalize).csr, 'csr');
      const order = await get(account, id);
      const spkiSha256 = await keyOf(csr, account, order.thingName);
      if (order.status === 'ready') {
        const { renews } = await issuing.requireOrderable(account, order.thingName, origin);
        await store.begin(id, { csr, spkiSha256, renews, at: clock() });
      }
      const current = await get(account, id);
      if (current.status === 'invalid' || !current.spkiSha256?.equals(spkiSha256))
        throw refusal(
          'orderNotReady',
          `the order is ${current.status}, and was finalized with another key or ended: make a new one`,
        );
      return advanced(account, current, origin, true);
    },

    /** Reads an authorization, or gives it up, which ends its order. @throws DomainError of ACME */
    async authorization({ account, jws }: ByAccount, id: string) {
      const order = await get(account, id);
      if (isRead(jws)) return authorizationOf(order);
      payloadOf(jws, schema.authorizationUpdate);
      const given = refusal('unauthorized', 'the authorization was deactivated: make a new order');
      await store.fail(id, 'ready', acmeProblem(given), clock());
      return { ...authorizationOf(order), status: 'deactivated' };
    },
  };
}

const identifierOf = ({ thingName }: Order) => ({ type: 'dns', value: thingName });

/** Nothing was asked of the client, so there are no challenges. */
function authorizationOf(order: Order) {
  return {
    status: order.status === 'invalid' ? 'deactivated' : 'valid',
    expires: rfc3339(order.expiresAt),
    identifier: identifierOf(order),
    challenges: [],
  };
}
