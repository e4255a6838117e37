import { execFileSync } from 'node:child_process';

/** Makes `ca.key` and `ca.pem` in a folder: a P-256 CA for openssl to work with. */
export function createOpensslCa(cwd: string): void {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'ca.key'];
  const args = ['req', '-x509', ...key, '-subj', '/CN=bench', '-days', '30', '-out', 'ca.pem'];
  execFileSync('openssl', args, { cwd, stdio: 'ignore' });
}
