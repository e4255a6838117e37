import { rfc3339, type Clock } from '../clock.js';
import { presentCertificate, presentLinks, presentThing } from '../representations.js';
import { crlUrlOf } from '../pki/certificate.js';
import { encodeCertificate } from '../pki/pem.js';
import { encodePkcs12 } from '../pki/pkcs12.js';
import type { Variables } from '../policy/variables.js';
import type { RegisteredThing } from '../registry.js';
import type { PrivateKeyForm, ProvisionAnswer, RenewAnswer } from './routes.js';
import type { Provisioned } from './asked.js';

type Authority = { chainFor(certificateDer: Buffer): Buffer[]; urls: { crl: string; ocsp: string } };
type HandedOut = Provisioned['certificate'] & { outsideLists?: boolean };

type Deps = {
  clock: Clock;
  publicUrl: string;
  signing(account: string): Promise<Authority>;
  render(names: string[], variables: Variables): Promise<RenewAnswer['policies']>;
  firstTokens(
    thing: RegisteredThing,
    certificate: HandedOut,
    family: string,
    counter: number,
  ): NonNullable<ProvisionAnswer['token']>;
  /** By what the device is to believe the server. */
  trust(): Promise<string | undefined>;
  /** How a thing stands in AWS; undefined while there is no mirror. */
  inAws(provisioned: Provisioned): Promise<ProvisionAnswer['aws']>;
};

/** Builds what devices learn about themselves. */
export function createPresenter(deps: Deps) {
  const { clock, publicUrl, signing, render, firstTokens, trust, inAws } = deps;
  const identity = async (thing: RegisteredThing, certificate: HandedOut): Promise<Omit<RenewAnswer, 'trust'>> => {
    const authority = await signing(thing.account);
    const { urls } = authority;
    // Of what others issued, neither the chain nor a list is known here.
    const [chain, crl] = certificate.outsideLists
      ? [[], urls.crl]
      : [authority.chainFor(certificate.der), crlUrlOf(certificate.der)];
    const chainPem = chain.map(encodeCertificate).join('');
    const { account, name, thingType, attributes, policies } = thing;
    const type = thingType ?? undefined;
    return {
      thing: presentThing(thing),
      certificate: presentCertificate({ ...certificate, pem: encodeCertificate(certificate.der), chainPem }),
      policies: await render(policies, { account, thing: { name, type, attributes }, certificate }),
      serverTime: rfc3339(clock()),
      links: presentLinks(publicUrl, { crl, ocsp: urls.ocsp }),
    };
  };

  const privateParts = async (
    { thing, certificate, privateKey }: Provisioned,
    { format, password }: PrivateKeyForm,
  ) => {
    if (!privateKey) return {};
    if (format !== 'pkcs12') return { privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string };
    const chain = (await signing(thing.account)).chainFor(certificate.der);
    return {
      pkcs12: encodePkcs12(privateKey, [certificate.der, ...chain], thing.name, password!).toString('base64'),
    };
  };

  return {
    /** What a device learns that renews, or asks about itself: also by what to believe the server from now on. */
    async present(thing: RegisteredThing, certificate: HandedOut): Promise<RenewAnswer> {
      const believed = await trust();
      return { ...(await identity(thing, certificate)), ...(believed === undefined ? {} : { trust: believed }) };
    },

    /** The answer to a first boot: the identity, with tokens and private key where they belong to it. */
    async provisioned(result: Provisioned, form: PrivateKeyForm): Promise<ProvisionAnswer> {
      const { thing, certificate, family } = result;
      const aws = await inAws(result);
      return {
        ...(await identity(thing, certificate)),
        ...(await privateParts(result, form)),
        ...(family === undefined ? {} : { token: firstTokens(thing, certificate, family.id, family.counter) }),
        ...(aws ? { aws } : {}),
      };
    },
  };
}
