import type { Config } from '../config.js';

type Addresses = Pick<Config, 'host' | 'port' | 'publicUrl' | 'pkiUrl' | 'pki' | 'tls'>;

const everywhere = ['0.0.0.0', '::'];
const thisMachine = /^(localhost|127\..*|\[::1\])$/;

/** A line for each address that the server gives out and that others will not reach, with what to set. */
export function doubtfulAddresses({ host, port, publicUrl, pkiUrl, pki, tls }: Addresses): string[] {
  const lines: string[] = [];
  const isOpen = everywhere.includes(host);
  if (isOpen && thisMachine.test(new URL(publicUrl).hostname))
    lines.push(
      `the server listens on every address (${host}) and tells devices to come to ${publicUrl}, which is their own machine: set THINGWARD_PUBLIC_URL to the address that they reach`,
    );
  const pkiAt = new URL(pkiUrl);
  if (isOpen && thisMachine.test(pkiAt.hostname))
    lines.push(
      `certificates will name ${pkiUrl} for lists and OCSP, which is the machine of whoever reads them, and they cannot be changed later: set THINGWARD_PKI_URL, or THINGWARD_PUBLIC_URL`,
    );
  // Only TLS answers on that port.
  if (tls && pki?.port !== portOf(pkiAt) && portOf(pkiAt) === port)
    lines.push(
      `certificates will name ${pkiUrl} for lists and OCSP, where this server speaks only TLS: set THINGWARD_PKI_PORT to serve them without it, or THINGWARD_PKI_URL to where they are`,
    );
  return lines;
}

function portOf({ port }: URL): number {
  return port === '' ? 80 : Number(port);
}
