import { encodeCertificate } from '../pki/pem.js';
import type { StoredManufacturer } from '../manufacturers/store.js';
import { presentList } from './list-schema.js';

/** The authority of an enrollment as it is shown. */
export function presentAuthority({ certificates, thingName, list }: StoredManufacturer, isProved: boolean) {
  return {
    certificates: certificates.map(encodeCertificate).join(''),
    thingName,
    isProved,
    ...(list === null ? {} : { crl: presentList(list) }),
  };
}
