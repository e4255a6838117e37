import type { Clock } from '../clock.js';
import type { EnrollmentService } from '../enrollments/service.js';
import type { Origin } from '../origin.js';
import type { FirstBoot, Provisioned, RenewFor, StillWaiting } from '../provisioning/asked.js';
import type { HeldCertificate } from '../registry.js';
import type { AcmeAccount } from './account-store.js';
import { actingAs } from './accounts.js';
import type { Order, OrderStore } from './order-store.js';
import { acmeProblem, isFinal, refusal } from './problem.js';
import type { ThingStore } from './thing-store.js';

type Deps = {
  clock: Clock;
  orders: Pick<OrderStore, 'finish' | 'fail'>;
  things: ThingStore;
  enrollments: Pick<EnrollmentService, 'get' | 'requireCovered' | 'tokenHashOf'>;
  provision(tokenHash: Buffer, ask: () => FirstBoot, origin: Origin): Promise<Provisioned | StillWaiting>;
  renewFor(asked: RenewFor, origin: Origin): Promise<{ certificate: { serialNumber: string } }>;
  findCertificate(fingerprint: string): Promise<HeldCertificate | undefined>;
  /** Notes how an order ended. */
  count(result: 'issued' | 'waiting' | 'refused'): void;
};

export type Issuing = ReturnType<typeof createIssuing>;

/** Makes certificates for orders: by first boot where there is no thing, by renewal where the account made it. */
export function createIssuing(deps: Deps) {
  const { clock, orders, things, enrollments, findCertificate, count } = deps;

  /** The certificate that an order for a name renews, or null for a first one. */
  const standing = async (account: AcmeAccount, name: string, origin: Origin): Promise<HeldCertificate | null> => {
    const thing = await things.find(account.account, name);
    const enrollment = await enrollments.get(account.account, account.enrollmentId);
    const mayBoot = enrollment.status === 'active';
    if (!thing || (mayBoot && enrollment.reenrollsThingId === thing.id)) {
      if (!mayBoot)
        throw refusal(
          'unauthorized',
          `the enrollment of this account is ${enrollment.status}, and admits no more things: get a new one`,
        );
      enrollments.requireCovered(enrollment, { name, thingType: undefined, attributes: {} }, origin.sourceIp);
      return null;
    }
    if (thing.owner !== account.id) throw foreign(name);
    const holder = thing.newest === null ? undefined : await findCertificate(thing.newest);
    if (!holder || thing.isHeld) throw nothingLeft(name);
    requireGood(holder);
    return holder;
  };

  const issue = async (
    account: AcmeAccount,
    order: Order,
    origin: Origin,
  ): Promise<string | { retryAfter: number }> => {
    const made = await things.issuedFor(order);
    if (made !== undefined) return made;
    const csr = order.csr!;
    if (order.renews !== null) {
      const fingerprint = await things.fingerprintOf(order.renews);
      const holder = await findCertificate(fingerprint!);
      if (!holder || !(await things.isOwner(account.id, holder.thing.id))) throw foreign(order.thingName);
      requireGood(holder);
      const spend = () => Promise.resolve();
      return (await deps.renewFor({ holder, csr, withoutKey: true, spend }, origin)).certificate.serialNumber;
    }
    const name = order.thingName;
    const ask = (): FirstBoot => ({
      name,
      thingType: undefined,
      attributes: {},
      key: { csr },
      acmeAccountId: account.id,
    });
    const result = await deps.provision(await enrollments.tokenHashOf(account.enrollmentId), ask, origin);
    if ('waiting' in result) return { retryAfter: result.waiting.retryAfter };
    if (result.thing.name !== name)
      throw refusal('rejectedIdentifier', `the operator named this thing ${result.thing.name}: make an order for that`);
    if (!(await things.isOwner(account.id, result.thing.id))) throw foreign(name);
    return result.certificate.serialNumber;
  };

  return {
    /** What an order for a name would renew: a serial number, or null. @throws DomainError when the account gets nothing for the name */
    async requireOrderable(account: AcmeAccount, name: string, origin: Origin): Promise<{ renews: string | null }> {
      return { renews: (await standing(account, name, actingAs(account, origin)))?.serialNumber ?? null };
    },

    /**
     * Goes on with an order that is being processed. What it leads to is the same however often and wherever this runs,
     * because it is told by what is recorded. A refusal that asking again would not change ends the order; who is
     * finalizing hears of it. @throws DomainError
     */
    async advance(
      account: AcmeAccount,
      order: Order,
      origin: Origin,
      isFinalizing: boolean,
    ): Promise<{ retryAfter?: number }> {
      try {
        const issued = await issue(account, order, actingAs(account, origin));
        if (typeof issued !== 'string') {
          count('waiting');
          return issued;
        }
        await orders.finish(order.id, issued, clock());
        count('issued');
      } catch (error) {
        if (!isFinal(error)) throw error;
        await orders.fail(order.id, 'processing', acmeProblem(error), clock());
        count('refused');
        if (isFinalizing) throw error;
      }
      return {};
    },
  };
}

function foreign(name: string) {
  return refusal(
    'unauthorized',
    `the name ${name} belongs to a thing that this account did not make: choose another name, or have an operator re-enroll the thing`,
  );
}

function nothingLeft(name: string) {
  return refusal(
    'unauthorized',
    `the certificates of ${name} were revoked or are held: ask an operator to re-enroll the thing`,
  );
}

/** @throws DomainError for a thing that gets no certificate as it is */
function requireGood({ thing, revokedAt }: HeldCertificate): void {
  if (thing.status !== 'active')
    throw refusal(
      'unauthorized',
      `the thing ${thing.name} is ${thing.status}: ask an operator to ${thing.status === 'suspended' ? 'resume' : 're-enroll'} it`,
    );
  if (revokedAt) throw nothingLeft(thing.name);
}
