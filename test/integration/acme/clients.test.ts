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

/** What docs/acme.md says below a mark. */
const documented = (mark: string): string =>
  readFileSync('docs/acme.md', 'utf8').split(`<!-- test: ${mark} -->`)[1]!.split('```')[1]!.slice(3);

const urlOf = (): string => server.url.replace('http:', 'https:');

describeWith(['certbot', 'openssl', 'curl'], 'certbot', () => {
  it('registers, gets a certificate, renews and revokes it as docs/acme.md says', async () => {
    const created = await run(
      `CURL_CA_BUNDLE=tls.crt\nexport CURL_CA_BUNDLE\nTHINGWARD_URL=${urlOf()}\nTHINGWARD_OWNER_KEY=${server.ownerKey}\n${documented('enroll')}`,
    );
    const { eab, acmeDirectory } = JSON.parse(created) as Enrollment;
    const output = await run(
      `DIRECTORY=${acmeDirectory}\nKID=${eab.kid}\nHMAC=${eab.hmacKey}\n${documented('certbot')}`,
    );
    for (const line of ['pump-1.pem: OK', 'certbot/live/pump-1/cert.pem: OK', 'successfully revoked the certificate'])
      expect(output).toContain(line);
    const { body } = await server.direct(server.ownerKey).get('/v1/certificates?thing=pump-1');
    const found = (body.items as { status: string }[]).map(({ status }) => status).sort();
    // The first was renewed and not used since.
    expect(found).toEqual(['active', 'revoked']);
  });
});

describeWith(['lego-client', 'openssl'], 'lego', () => {
  it('registers, gets a certificate, renews it, revokes it and gives its account up', async () => {
    const { eab, acmeDirectory } = await enroll();
    const output = await run(
      `LEGO_CA_CERTIFICATES=tls.crt lego-client ${acmeDirectory} ${eab.kid} ${eab.hmacKey} lego-1 . revoke`,
    );
    for (const line of [
      'account: true valid',
      'renewal window within the life: true',
      'revoked',
      'refused afterwards: ',
    ])
      expect(output).toContain(line);
    expect(output).toContain('urn:ietf:params:acme:error:unauthorized');
    await run('for n in first second; do openssl x509 -in $n.pem -noout -subject | grep "CN = lego-1"; done');
    await run(
      'csplit -s -f part first.pem "/BEGIN/" "{*}" && cat part02 part03 > ca.pem && openssl verify -CAfile ca.pem first.pem',
    );
  });
});
