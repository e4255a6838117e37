import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { DomainError } from '../../errors.js';
import { thingNameForm } from '../../shapes.js';
import type { Verdict } from '../judge.js';
import type { DeviceVerdicts, PresentedDevice } from '../service.js';

/** Text that a broker writes. Some leave out what there is none of, some write null, some an empty text. */
export const text = z.string().max(65_536).nullish();
/** A number or truth value, which most brokers write as text. */
export const scalar = z.union([z.string().max(64), z.number(), z.boolean()]).nullish();

/** What a broker knows of a device. */
type Shown = {
  username?: string | null | undefined;
  password?: string | null | undefined;
  certificate?: string | null | undefined;
  fingerprint?: string | null | undefined;
};

/** Empty text says as little as no text. */
export const filled = (value: string | null | undefined): string | undefined => value || undefined;

/**
 * A device by its access token, its certificate, or both. A name that it gives itself must be its own: brokers ask by that
 * name afterwards.
 */
export function deviceBy({ username, password, certificate, fingerprint }: Shown): PresentedDevice {
  const [token, certificatePem, print] = [filled(password), filled(certificate), filled(fingerprint)];
  return {
    form: {
      ...(token === undefined ? {} : { token }),
      ...(certificatePem === undefined ? {} : { certificatePem }),
      ...(print === undefined || certificatePem !== undefined ? {} : { fingerprint: print }),
    },
    username: filled(username),
  };
}

/** A device by a name that the broker has checked before; nobody for what is no name. */
export function deviceNamed(name: string | null | undefined): PresentedDevice {
  return { form: name && thingNameForm.test(name) ? { thingName: name } : {} };
}

/** True when everything that was asked is allowed, and something was. */
export const allAllowed = ({ verdicts }: DeviceVerdicts): boolean =>
  verdicts.length > 0 && verdicts.every(({ allowed }) => allowed);

/** For how many whole seconds verdicts may be kept. */
export function secondsOf(verdicts: Verdict[], at: number): number {
  const until = Math.min(...verdicts.map(({ validUntil }) => validUntil));
  return verdicts.length === 0 ? 0 : Math.max(0, Math.floor((until - at) / 1000));
}

/** A header that stands in a request once; undefined when it is absent or empty. @throws DomainError `invalid-request` */
export function headerOf({ raw }: FastifyRequest, name: string): string | undefined {
  const values = headersOf(raw.rawHeaders, name);
  if (values.length > 1)
    throw new DomainError('invalid-request', `${name}: it stands there more than once; let the proxy replace it`);
  return filled(values[0]?.trim());
}

function headersOf(raw: string[], name: string): string[] {
  return raw.filter((_, index) => index % 2 === 1 && raw[index - 1]!.toLowerCase() === name);
}

/** Whether a header stands in a request, empty or not. */
export const hasHeader = ({ raw }: FastifyRequest, name: string): boolean => headersOf(raw.rawHeaders, name).length > 0;

/** The access token of a device, where Authorization is not that of the broker. @throws DomainError `invalid-request` */
export function tokenIn(request: FastifyRequest): string | undefined {
  const token = /^bearer +([!-~]+)$/i.exec(headerOf(request, 'authorization') ?? '')?.[1];
  return token?.startsWith('twk_') ? undefined : token;
}

/** The last address of X-Forwarded-For: what the proxy itself saw. */
export function addressIn({ headers }: FastifyRequest): string | undefined {
  return filled(
    String(headers['x-forwarded-for'] ?? '')
      .split(',')
      .at(-1)
      ?.trim(),
  );
}
