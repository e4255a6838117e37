import { X509Crl } from '@peculiar/x509';

/** The serial numbers in a list, by its path on a server; none where there is no path. */
export async function listedSerials(url: string, crl: string | undefined): Promise<Set<string>> {
  if (crl === undefined) return new Set();
  const der = await (await fetch(`${url}${crl}`)).arrayBuffer();
  const clean = (serial: string) => serial.toLowerCase().replace(/^00/, '').padStart(40, '0');
  return new Set(new X509Crl(der).entries.map(({ serialNumber }) => clean(serialNumber)));
}
