/** Octets that are no message of CoAP. */
export class CoapFault extends Error {
  override readonly name = 'CoapFault';
}
