import { encodeLongPem } from '../pki/pem.js';
import { inSlices } from '../slices.js';

/** Lists as PEM, each written once for as long as its DER is kept. */
export function createListPem() {
  const written = new WeakMap<Buffer, Promise<Buffer>>();

  return (der: Buffer): Promise<Buffer> => {
    const known = written.get(der);
    if (known) return known;
    const pem = inSlices(encodeLongPem('X509 CRL', der));
    written.set(der, pem);
    return pem;
  };
}
