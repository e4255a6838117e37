import { runProgram } from '../pki/openssl.js';

/** Makes `tls.crt` and `tls.key` of a listener on this machine, new ones each time. */
export function makeListenerCertificate(at: (name: string) => string): void {
  const kind = '-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost'.split(' ');
  const names = ['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  runProgram('openssl', ['req', '-x509', ...kind, ...names, '-keyout', at('tls.key'), '-out', at('tls.crt')]);
}
