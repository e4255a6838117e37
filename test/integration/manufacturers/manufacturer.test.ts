import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { problemOf } from '../../support/client.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { openEstStage, type EstStage } from '../../support/est/stage.js';
import { csrPem } from '../../support/pki/csr.js';
import { createManufacturer, type Manufacturer } from '../../support/provisioning/manufacturer.js';

/** An enrollment whose authority was proved. */
async function enrollmentOf(stage: EstStage, works: Manufacturer): Promise<string> {
  const ca = { certificates: works.pem, thingName: 'd-{serialNumber}' };
  const body = { kind: 'ca', thingNamePattern: 'd-*', maxUses: 100 };
  const { owner } = stage.server;
  const { verificationCode } = (await owner.post('/v1/enrollments', { ...body, ca })).body;
  const verificationCertificate = works.verification(verificationCode);
  return (await owner.post('/v1/enrollments', { ...body, ca: { ...ca, verificationCertificate } })).body.id;
}

describe.each(databaseKinds)('EST with the certificate of a manufacturer on %s', (kind) => {
  let stage: EstStage;
  let works: Manufacturer;
  let id: string;
  beforeAll(async () => {
    stage = await openEstStage(kind);
    works = createManufacturer();
    id = await enrollmentOf(stage, works);
  });
  afterAll(async () => {
    await stage.stop();
    works.remove();
  });

  const identity = (...names: string[]) => ({
    cert: names.map((name) => works.read(`${name}.pem`)).join(''),
    key: works.read(`${names[0]}.key`),
  });
  const nameOf = (text: string) => stage.certificatesOf({ text })[0]!.subject.split('CN=')[1];

  it('enrolls by the handshake alone, under the name of the certificate, and renews with what it got', async () => {
    works.device('1');
    const body = stage.request('first', '/CN=somebody-else');
    const first = await stage.ask(`${id}/simpleenroll`, { body, tls: identity('1') });
    expect(first.status, first.text).toBe(200);
    expect(nameOf(first.text)).toBe('d-1');
    stage.certificatesOf(first, 'first');
    const again = await stage.ask(`${id}/simpleenroll`, { body, tls: identity('1') });
    expect([again.status, again.text]).toEqual([200, first.text]);
    const next = stage.request('next', '/CN=d-1');
    expect((await stage.ask('simplereenroll', { body: next, tls: stage.identity('first') })).status).toBe(200);
  });

  it('takes the CAs between that the device sends behind its certificate', async () => {
    works.make('sub', { subject: '/CN=Line 1', lines: works.caLines(',pathlen:0') });
    works.make('2', { subject: '/serialNumber=2', by: 'sub' });
    const body = stage.request('two');
    const without = await stage.ask(`${id}/simpleenroll`, { body, tls: identity('2') });
    expect([without.status, without.text]).toEqual([403, expect.stringContaining('does not lead to the authority')]);
    const answer = await stage.ask(`${id}/simpleenroll`, { body, tls: identity('2', 'sub') });
    expect(answer.status, answer.text).toBe(200);
    expect(nameOf(answer.text)).toBe('d-2');
  });

  it('admits nobody without the label of the enrollment, nor with what others signed', async () => {
    const body = stage.request('nobody');
    works.device('3');
    const { id: plain } = await stage.enrollment();
    for (const path of ['simpleenroll', 'default/simpleenroll', `${plain}/simpleenroll`]) {
      const answer = await stage.ask(path, { body, tls: identity('3') });
      expect([answer.status, answer.headers['www-authenticate']], path).toEqual([
        401,
        expect.stringContaining('Basic'),
      ]);
    }
    const lookalike = createManufacturer();
    lookalike.device('4');
    const tls = { cert: lookalike.read('4.pem') + lookalike.pem, key: lookalike.read('4.key') };
    expect((await stage.ask(`${id}/simpleenroll`, { body, tls })).status).toBe(403);
    expect((await stage.ask(`${id}/simpleenroll`, { body, tls: identity('ca') })).status).toBe(403);
    const header = { 'client-cert': `:${new X509Certificate(works.read('3.pem')).raw.toString('base64')}:` };
    expect((await stage.ask(`${id}/simpleenroll`, { body, headers: header })).status).toBe(401);
    lookalike.remove();
  });

  it('takes POST /v1/provision on the listener that asks for certificates', async () => {
    works.device('5');
    const send = (body: object, tls: object): Promise<{ status: number; text: string }> =>
      new Promise((resolve, reject) => {
        const headers = { 'content-type': 'application/json' };
        const ca = readFileSync(stage.at('tls.crt'));
        const sent = request(
          `${stage.url}/v1/provision`,
          { method: 'POST', ca, agent: false, headers, ...tls },
          (got) => {
            let text = '';
            got.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
            got.on('end', () => resolve({ status: got.statusCode!, text }));
          },
        );
        sent.on('error', reject).end(JSON.stringify(body));
      });
    const csr = csrPem();
    expect((await send({ csr, enrollment: id }, {})).status).toBe(401);
    expect((await send({ csr }, identity('5'))).status).toBe(400);
    const answer = await send({ csr, enrollment: id }, identity('5'));
    expect([answer.status, JSON.parse(answer.text).thing?.name], answer.text).toEqual([201, 'd-5']);
    works.device('6');
    const made = await send({ keyType: 'ec-p256', enrollment: id }, identity('6'));
    expect([made.status, JSON.parse(made.text).privateKeyPem], made.text).toEqual([
      201,
      expect.stringContaining('KEY'),
    ]);
  });
});

describe.each(databaseKinds)('a proxy that ends the TLS of manufactured devices, on %s', (kind) => {
  it('is believed by its address alone, with exactly one Client-Cert', async () => {
    const works = createManufacturer();
    works.make('sub', { subject: '/CN=Line 1', lines: works.caLines() });
    works.make('1', { subject: '/serialNumber=1', by: 'sub' });
    works.device('2');
    const item = (name: string) => `:${new X509Certificate(works.read(`${name}.pem`)).raw.toString('base64')}:`;
    for (const [proxies, isBelieved] of [
      ['127.0.0.1', true],
      ['10.1.2.3', false],
    ] as const) {
      const stage = await openEstStage(kind, { THINGWARD_CLIENT_CERT_PROXIES: proxies });
      const id = await enrollmentOf(stage, works);
      const send = (headers: Record<string, string>) =>
        stage.server.as(undefined).send('POST', '/v1/provision', { csr: csrPem(), enrollment: id }, headers);
      const answer = await send({ 'client-cert': item('2') });
      expect([answer.status, answer.body.thing?.name]).toEqual(isBelieved ? [201, 'd-2'] : [401, undefined]);
      if (isBelieved) {
        const chained = await send({ 'client-cert': item('1'), 'client-cert-chain': `${item('sub')}, ${item('ca')}` });
        expect([chained.status, chained.body.thing?.name], chained.text).toEqual([201, 'd-1']);
        for (const value of [`${item('2')}, ${item('2')}`, 'none', '::'])
          expect((await send({ 'client-cert': value })).status).toBe(400);
        expect(problemOf(await send({ 'client-cert': ':AAAA:' }))).toBe('manufacturer-refused');
        const est = await stage.ask(`${id}/simpleenroll`, {
          body: stage.request('p'),
          headers: { 'client-cert': item('2') },
        });
        expect(est.status).toBe(409);
      }
      await stage.stop();
    }
    works.remove();
  });
});
