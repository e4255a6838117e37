import { execFile } from 'node:child_process';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { databaseKinds } from '../../support/databases/databases.js';
import { enroll, pemOf, provision } from '../../support/fleet.js';
import { issuerOf, serialOf } from '../../support/pki/crl.js';
import { caExtensions, createExternalRoot, type ExternalRoot } from '../../support/pki/external-root.js';
import { runProgram } from '../../support/pki/openssl.js';
import { describeWith } from '../../support/programs.js';
import { startServer, type TestServer } from '../../support/server.js';

describeWith(['openssl'], 'an intermediate that others signed', () => {
  for (const kind of databaseKinds) {
    let server: TestServer;
    let outside: ExternalRoot;
    beforeAll(async () => {
      server = await startServer(kind);
      outside = createExternalRoot();
    });
    afterAll(async () => {
      await server.stop();
      outside.remove();
    });

    // The server is in this process, and must not wait for the program.
    const ask = (args: string[]): Promise<string> =>
      new Promise((resolve) => execFile('openssl', args, (_error, out, err) => resolve(out + err)));

    const waiting = async (owner = server.owner) => {
      const made = await owner.post('/v1/issuers', { kind: 'intermediate' });
      expect([made.status, made.body.status, made.body.kind]).toEqual([201, 'waiting', 'intermediate']);
      const csr = await owner.get(`/v1/issuers/${made.body.id}/csr`);
      expect([csr.status, csr.headers.get('content-type')]).toEqual([200, 'application/x-pem-file']);
      return { id: made.body.id as string, csr: csr.text, path: `/v1/issuers/${made.body.id}` };
    };

    it(`on ${kind} is judged, activated, and believed by OpenSSL with the chain of the others`, async () => {
      const { id, csr, path } = await waiting();
      const asked = runProgram('openssl', ['req', '-in', outside.file('ours.csr', csr), '-noout', '-text', '-verify']);
      expect(asked).toMatch(/CA:TRUE[\s\S]*Certificate Sign, CRL Sign/);
      expect((await server.owner.post(`${path}/activate`)).status).toBe(409);
      const above = outside.makeIntermediate('middle', '/O=Works/CN=Works Middle', caExtensions(1));
      const certificate = outside.sign(csr, { ...caExtensions(0), subjectKeyIdentifier: '01:02:03:04' }, 'middle');
      const put = await server.owner.send('PUT', `${path}/certificate`, { certificate, chain: outside.pem + above });
      expect([put.status, put.text]).toEqual([200, expect.stringContaining('"prepared"')]);
      const again = await server.owner.send('PUT', `${path}/certificate`, { certificate, chain: above + outside.pem });
      expect([again.status, again.headers.get('etag')]).toEqual([200, put.headers.get('etag')]);
      expect((await server.owner.post(`${path}/activate`)).status).toBe(200);

      const { token } = await enroll(server);
      const [good, revoked] = [await provision(server, token, 'good'), await provision(server, token, 'revoked')];
      expect(issuerOf(good)).toBe(id);
      expect(good.answer.body.certificate.chainPem).toBe(certificate + above + outside.pem);
      await server.owner.post(`/v1/certificates/${serialOf(revoked)}/revoke`, { reason: 'keyCompromise' });
      const bundle = outside.file('bundle.pem', await (await fetch(`${server.url}/crl/bundle.pem`)).text());
      const chain = outside.file('chain.pem', good.answer.body.certificate.chainPem);
      const verify = (pem: string, check = '-crl_check') =>
        runProgram('openssl', [
          ...[
            'verify',
            '-x509_strict',
            '-purpose',
            'sslclient',
            '-CAfile',
            outside.at('root.pem'),
            '-untrusted',
            chain,
          ],
          ...['-CRLfile', bundle, check, outside.file('device.pem', pem)],
        ]);
      expect(verify(pemOf(good))).toContain('OK');
      expect(() => verify(pemOf(revoked))).toThrow('certificate revoked');
      // The lists of the others are not here until somebody brings them.
      expect(() => verify(pemOf(good), '-crl_check_all')).toThrow('unable to get certificate CRL');
      const status = [
        'ocsp',
        '-issuer',
        outside.file('own.pem', certificate),
        '-cert',
        outside.file('device.pem', pemOf(revoked)),
      ];
      expect(await ask([...status, '-url', `${server.url}/ocsp`, '-CAfile', chain])).toContain('revoked');
      const shown = (await server.owner.get('/v1/issuers')).body.items as { keyPlace: string; kind: string }[];
      expect(
        shown
          .filter(({ keyPlace }) => keyPlace === 'elsewhere')
          .map(({ kind: which }) => which)
          .sort(),
      ).toEqual(['intermediate', 'root']);
      // Its key is nowhere here: nobody is answered in its name.
      const root = ['ocsp', '-issuer', outside.at('root.pem'), '-cert', outside.at('middle.pem')];
      expect(await ask([...root, '-url', `${server.url}/ocsp`])).toContain('unauthorized');
    });

    it(`on ${kind} a root of one account is refused in another, also when both ask at once`, async () => {
      const both = await Promise.all(
        ['b', 'c'].map(async (name) => {
          const made = await server.owner.post('/v1/accounts', { name: `${name}-${kind}` });
          return server.as(made.body.ownerKey);
        }),
      );
      const theirs = await waiting(both[0]);
      const signed = outside.sign(theirs.csr) + outside.pem;
      const refused = await both[0]!.send('PUT', `${theirs.path}/certificate`, { certificate: signed });
      expect([refused.status, refused.body.detail]).toEqual([409, expect.stringContaining('another account')]);
      const fresh = createExternalRoot('/CN=Fresh');
      const asks = await Promise.all(both.map((owner) => waiting(owner)));
      const puts = asks.map(({ csr }) => ({ certificate: fresh.sign(csr) + fresh.pem }));
      const answers = await Promise.all(
        asks.map(({ path }, n) => both[n]!.send('PUT', `${path}/certificate`, puts[n])),
      );
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
      fresh.remove();
    });

    it(`on ${kind} what is no chain for its key is refused, and the authority still waits`, async () => {
      const { csr, path } = await waiting();
      const other = await waiting();
      const put = (certificate: string) => server.owner.send('PUT', `${path}/certificate`, { certificate });
      const cases: [string, string][] = [
        [outside.sign(other.csr) + outside.pem, 'for the key of the request'],
        [outside.sign(csr), 'up to the root'],
        [outside.sign(csr, { basicConstraints: 'CA:FALSE' }) + outside.pem, 'cRLSign'],
        ['no certificate', 'not PEM'],
      ];
      for (const [certificate, why] of cases) {
        const answer = await put(certificate);
        expect([answer.status, answer.body.type]).toEqual([422, 'urn:thingward:problem:bad-chain']);
        expect(answer.body.detail).toContain(why);
      }
      expect((await server.owner.get(path)).body.status).toBe('waiting');
      expect((await server.owner.post(`${path}/retire`)).body.status).toBe('retired');
      expect((await server.owner.get(path)).status).toBe(404);
    });
  }
});
