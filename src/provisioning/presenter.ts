import { rfc3339, type Clock } from '../clock.js';
import { presentCertificate, presentLinks, presentThing } from '../representations.js';
import type { Variables } from '../policy/variables.js';
import type { RegisteredThing } from '../registry.js';
import type { ProvisionAnswer, RenewAnswer } from './routes.js';
import type { ProvisionRequest } from './schema.js';
import type { Provisioned } from './service.js';

type Authority = { chainPem: string; chainDer: Buffer[]; urls: { crl: string; ocsp: string } };
type IssuedCertificate = Provisioned['certificate'] & { outsideLists?: boolean };

type Deps = {
  clock: Clock;
  publicUrl: string;
  signing(account: string): Promise<Authority>;
  render(names: string[], variables: Variables): Promise<RenewAnswer['policies']>;
  firstTokens(
    thing: RegisteredThing,
    certificate: IssuedCertificate,
    family: string,
    counter: number,
  ): NonNullable<ProvisionAnswer['token']>;
  encodePem(der: Buffer): string;
  /** The URL of the list that a certificate is on. */
  crlUrlOf(der: Buffer): string;
  /** How a thing stands in AWS; undefined while there is no mirror. */
  inAws(provisioned: Provisioned): Promise<ProvisionAnswer['aws']>;
  encodePkcs12(key: NonNullable<Provisioned['privateKey']>, chain: Buffer[], name: string, password: string): Buffer;
};

/** Puts together what devices are told about themselves. */
export function createPresenter(deps: Deps) {
  const { clock, publicUrl, signing, render, firstTokens, encodePem, crlUrlOf, encodePkcs12, inAws } = deps;
  const identity = async (thing: RegisteredThing, certificate: IssuedCertificate): Promise<RenewAnswer> => {
    const authority = await signing(thing.account);
    const { urls } = authority;
    // Of what others issued, neither the chain nor a list is known here.
    const [chainPem, crl] = certificate.outsideLists ? ['', urls.crl] : [authority.chainPem, crlUrlOf(certificate.der)];
    const { account, name, thingType, attributes, policies } = thing;
    const type = thingType ?? undefined;
    return {
      thing: presentThing(thing),
      certificate: presentCertificate({ ...certificate, pem: encodePem(certificate.der), chainPem }),
      policies: await render(policies, { account, thing: { name, type, attributes }, certificate }),
      serverTime: rfc3339(clock()),
      links: presentLinks(publicUrl, { crl, ocsp: urls.ocsp }),
    };
  };

  const privateParts = async (
    { thing, certificate, privateKey }: Provisioned,
    { format, password }: ProvisionRequest,
  ) => {
    if (!privateKey) return {};
    if (format !== 'pkcs12') return { privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string };
    const { chainDer } = await signing(thing.account);
    return {
      pkcs12: encodePkcs12(privateKey, [certificate.der, ...chainDer], thing.name, password!).toString('base64'),
    };
  };

  return {
    identity,

    /** The answer to a first boot: the identity, with tokens and private key where they belong to it. */
    async provisioned(result: Provisioned, request: ProvisionRequest): Promise<ProvisionAnswer> {
      const { thing, certificate, family } = result;
      const aws = await inAws(result);
      return {
        ...(await identity(thing, certificate)),
        ...(await privateParts(result, request)),
        ...(family === undefined ? {} : { token: firstTokens(thing, certificate, family.id, family.counter) }),
        ...(aws ? { aws } : {}),
      };
    },
  };
}
