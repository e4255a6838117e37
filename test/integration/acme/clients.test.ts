import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Eab } from '../../support/acme/client.js';
import { makeListenerCertificate } from '../../support/edge/listener-certificate.js';
import { describeWith } from '../../support/programs.js';
import { startServer, type TestServer } from '../../support/server.js';
import { runShell } from '../../support/shell.js';

let server: TestServer;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'thingward-acme-'));
  const at = (name: string): string => join(folder, name);
  makeListenerCertificate(at);
  // lego speaks to no server without TLS.
  server = await startServer('embedded', {
    THINGWARD_TLS_CERT_FILE: at('tls.crt'),
    THINGWARD_TLS_KEY_FILE: at('tls.key'),
  });
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

type Enrollment = { id: string; token: string; eab: Eab; acmeDirectory: string };

const enroll = async (more: object = {}): Promise<Enrollment> => {
  const asked = { thingNamePattern: '*', maxUses: 100, ...more };
  return (await server.direct(server.ownerKey).post('/v1/enrollments', asked)).body as Enrollment;
};

const run = async (script: string): Promise<string> => {
  const { code, output } = await runShell(script, folder);
  expect(code, output).toBe(0);
  return output;
};

/** Runs what docs/acme.md says below a mark. */
const documented = (mark: string, { eab, acmeDirectory }: Enrollment): Promise<string> => {
  const script = readFileSync('docs/acme.md', 'utf8').split(`<!-- test: ${mark} -->`)[1]!.split('```')[1]!.slice(3);
  return run(`DIRECTORY=${acmeDirectory}\nKID=${eab.kid}\nHMAC=${eab.hmacKey}\n${script}`);
};

describeWith(['certbot', 'openssl'], 'certbot', () => {
  it('registers, gets a certificate, renews and revokes it as docs/acme.md says', async () => {
    const output = await documented('certbot', await enroll());
    expect(output).toContain('pump-1.pem: OK');
    console.log(output);
  });
});

describeWith(['lego-client', 'openssl'], 'lego', () => {
  it('registers, gets a certificate, renews it, revokes it and gives its account up', async () => {
    const { eab, acmeDirectory } = await enroll();
    const output = await run(
      `LEGO_CA_CERTIFICATES=tls.crt lego-client ${acmeDirectory} ${eab.kid} ${eab.hmacKey} lego-1 . revoke`,
    );
    console.log(output);
  });
});
