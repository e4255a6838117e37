import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { databaseKinds } from '../../support/databases/databases.js';
import { openEstStage, type EstStage } from '../../support/est/stage.js';
import { csrDer, newKey } from '../../support/pki/csr.js';
import { runProgram } from '../../support/pki/openssl.js';
import * as der from '../../../src/pki/der.js';
import { oids } from '../../../src/pki/oid.js';

const named = (name: string): Buffer => der.sequence(der.set(der.sequence(oids.commonName, der.utf8String(name))));

/** A request with a challengePassword, in base64. */
const challenging = (name: string, ...words: string[]): string =>
  csrDer({
    key: newKey(),
    subject: named(name),
    attributes: der.encode(
      der.constructed(0),
      der.sequence(oids.challengePassword, der.set(...words.map((word) => der.utf8String(word)))),
    ),
  }).toString('base64');

describe.each(databaseKinds)('EST on %s', (kind) => {
  let stage: EstStage;
  let token: string;
  let id: string;
  beforeAll(async () => {
    stage = await openEstStage(kind);
    ({ token, id } = await stage.enrollment());
  });
  afterAll(() => stage.stop());

  /** A device with a certificate in `NAME.crt`. */
  const enrolled = async (name: string): Promise<X509Certificate> => {
    const answer = await stage.ask('simpleenroll', { token, body: stage.request(name) });
    expect(answer).toMatchObject({ status: 200 });
    return stage.certificatesOf(answer, name)[0]!;
  };
  const renewed = (name: string, more: object = {}) =>
    stage.ask('simplereenroll', {
      body: stage.request(`${name}-next`, `/CN=${name}`),
      tls: stage.identity(name),
      ...more,
    });

  it('tells its authorities to anybody, by account, by enrollment, and without a label', async () => {
    const answers = await Promise.all(['cacerts', 'default/cacerts', `${id}/cacerts`].map((path) => stage.ask(path)));
    for (const { status, headers, text } of answers) {
      expect([status, text]).toEqual([200, answers[0]!.text]);
      expect(headers['content-type']).toBe('application/pkcs7-mime; smime-type=certs-only');
      expect(headers['content-length']).toBe(String(text.length));
      expect(text.trimEnd()).not.toMatch(/\s/);
    }
    expect(stage.certificatesOf(answers[0]!)).toHaveLength(2);
    for (const label of ['nobody', '00000000-0000-4000-8000-000000000000', '%2e%2e'])
      expect((await stage.ask(`${label}/cacerts`)).status).toBe(404);
  });

  it('says in DER that OpenSSL reads what a request should look like, with one extension attribute', async () => {
    const { status, text, headers } = await stage.ask('csrattrs');
    expect([status, headers['content-type']]).toEqual([200, 'application/csrattrs']);
    const shown = runProgram('bash', ['-c', `echo '${text.trim()}' | base64 -d | openssl asn1parse -inform DER`]);
    expect(shown).toContain('id-ecPublicKey');
    expect(shown).toContain('1.2.840.113549.1.9.16.2.61');
    expect(shown.match(/1\.2\.840\.113549\.1\.9\.16\.2\.62|Extension Request/g)).toHaveLength(1);
  });

  it('gives a certificate for an enrollment token, the same to the same request', async () => {
    const body = stage.request('twice');
    const [first, again] = [
      await stage.ask('simpleenroll', { token, body }),
      await stage.ask(`${id}/simpleenroll`, { token, body }),
    ];
    expect([first.status, again.status, again.text]).toEqual([200, 200, first.text]);
    const [certificate, ...others] = stage.certificatesOf(first);
    expect([certificate!.subjectAltName, others.length]).toEqual(['URI:urn:thingward:default:twice', 0]);
    expect((await stage.server.owner.get('/v1/things/twice')).body).toMatchObject({ status: 'active' });
  });

  it('takes the name beside the token where the request has none, but not the id of the enrollment', async () => {
    const body = stage.request('nameless', '/');
    expect((await stage.ask('simpleenroll', { token, user: 'nameless', body })).status).toBe(200);
    for (const user of [id, '', 'no thing', 'x'.repeat(129)])
      expect((await stage.ask('simpleenroll', { token, user, body: stage.request('other', '/') })).status).toBe(422);
  });

  it('refuses in a line of text, and asks for Basic', async () => {
    const body = stage.request('refused');
    const without = await stage.ask('simpleenroll', { body });
    expect([without.status, without.text]).toEqual([401, '']);
    const wrong = await stage.ask('simpleenroll', { token: `twe_${'x'.repeat(43)}`, body });
    expect(wrong.status).toBe(401);
    for (const { headers } of [without, wrong]) expect(headers['www-authenticate']).toMatch(/^Basic realm=/);
    expect(wrong.headers['content-type']).toBe('text/plain; charset=utf-8');
    expect(wrong.text).toMatch(/^The credential is unknown.*: .*\(request [0-9a-f-]{36}\)\n$/);
    expect((await stage.ask('simpleenroll', { token: stage.server.ownerKey, body })).status).toBe(403);
    expect((await stage.ask('simpleenroll', { token, body: '' })).status).toBe(422);
    expect((await stage.ask('simpleenroll', { token, body: '!!' })).status).toBe(422);
    expect((await stage.ask('simpleenroll', { token, body: 'A'.repeat(70_000) })).status).toBe(413);
    expect((await stage.ask('default/simpleenroll', { token, body })).status).toBe(200);
    expect((await stage.ask('other/simpleenroll', { token, body })).status).toBe(404);
  });

  it('has no fullcmc, and no keys of its own where that is off', async () => {
    for (const path of ['fullcmc', 'serverkeygen'])
      expect((await stage.ask(path, { token, body: stage.request('lazy') })).status).toBe(501);
  });

  it('renews for whoever has the key of the present certificate, the same for the same request', async () => {
    const present = await enrolled('renewing');
    const body = stage.request('renewing-next', '/CN=renewing');
    const ask = () => stage.ask('simplereenroll', { body, tls: stage.identity('renewing') });
    const [first, again] = [await ask(), await ask()];
    expect([first.status, again.text]).toEqual([200, first.text]);
    const [next] = stage.certificatesOf(first, 'renewing-next');
    expect([next!.subject, next!.subjectAltName]).toEqual([present.subject, present.subjectAltName]);
    expect(next!.serialNumber).not.toBe(present.serialNumber);
  });

  it('renews for nobody else', async () => {
    await enrolled('mine');
    await enrolled('yours');
    const body = stage.request('foreign', '/CN=mine');
    expect((await stage.ask('simplereenroll', { body })).status).toBe(401);
    expect((await stage.ask('simplereenroll', { body, tls: stage.identity('yours') })).status).toBe(422);
    expect(
      (await stage.ask('simplereenroll', { body: stage.request('blank', '/'), tls: stage.identity('mine') })).status,
    ).toBe(422);
    // Signed by itself, with the name of a thing.
    runProgram(
      'openssl',
      'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=mine'
        .split(' ')
        .concat(['-keyout', stage.at('forged.key'), '-out', stage.at('forged.crt')]),
    );
    expect((await stage.ask('simplereenroll', { body, tls: stage.identity('forged') })).status).toBe(401);
    // Nobody said that this address is a proxy.
    const shown = new X509Certificate(stage.identity('mine').cert).raw.toString('base64');
    expect((await stage.ask('simplereenroll', { body, headers: { 'client-cert': `:${shown}:` } })).status).toBe(401);
    expect((await renewed('mine', { body })).status).toBe(200);
  });

  it('renews no certificate that was revoked, of no thing that is suspended, and of no account that is not there', async () => {
    await enrolled('stolen');
    expect((await stage.server.owner.post('/v1/things/stolen/revoke', { reason: 'keyCompromise' })).status).toBe(200);
    expect((await renewed('stolen')).status).toBe(403);
    await enrolled('paused');
    expect((await stage.server.owner.post('/v1/things/paused/suspend', {})).status).toBe(200);
    expect((await renewed('paused')).status).toBe(403);
    expect((await stage.server.owner.post('/v1/things/paused/resume', {})).status).toBe(200);
    expect((await renewed('paused')).status).toBe(200);
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'believes a challengePassword that is the binding of the connection, in %s',
    async (maxVersion) => {
      const tls = { maxVersion };
      const name = `bound-${maxVersion.replace('.', '-')}`;
      const answer = await stage.ask('simpleenroll', {
        token,
        tls,
        bodyOn: (socket) =>
          challenging(
            name,
            maxVersion === 'TLSv1.2'
              ? socket.getFinished()!.toString('base64')
              : socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0)).toString('base64'),
          ),
      });
      expect(answer.status).toBe(200);
      for (const words of [['secret'], [''], ['a', 'b']])
        expect((await stage.ask('simpleenroll', { token, tls, body: challenging(`un${name}`, ...words) })).status).toBe(
          422,
        );
    },
  );

  it('lets devices wait that an operator has to approve', async () => {
    const { token: slow } = await stage.enrollment({ approval: 'required' });
    const body = stage.request('waiting');
    const { status, headers, text } = await stage.ask('simpleenroll', { token: slow, body });
    expect([status, Number(headers['retry-after']) > 0]).toEqual([202, true]);
    expect(text).toContain('approve');
    const [entry] = (await stage.server.owner.get('/v1/waiting')).body.items as { id: string }[];
    await stage.server.owner.post(`/v1/waiting/${entry!.id}/approve`, {});
    expect((await stage.ask('simpleenroll', { token: slow, body })).status).toBe(200);
  });

  it('names every authority while one takes over, and a device of the one before renews under the next', async () => {
    const before = await enrolled('elder');
    const { id: next } = (await stage.server.owner.post('/v1/issuers', { kind: 'issuing' })).body as { id: string };
    expect(stage.certificatesOf(await stage.ask('cacerts'))).toHaveLength(3);
    expect((await stage.server.owner.post(`/v1/issuers/${next}/activate`)).status).toBe(200);
    const answer = await renewed('elder');
    expect(answer.status).toBe(200);
    const [after] = stage.certificatesOf(answer);
    expect(before.issuer).not.toContain(next);
    expect(after!.issuer).toContain(next);
    const authorities = stage.certificatesOf(await stage.ask('cacerts'));
    expect(authorities).toHaveLength(3);
    for (const certificate of [before, after!])
      expect(authorities.some(({ publicKey }) => certificate.verify(publicKey))).toBe(true);
  });

  it('renews no certificate that has expired, whatever its enrollment says', async () => {
    const { token: late } = await stage.enrollment({ renewGraceSeconds: 30 * 86_400 });
    const answer = await stage.ask('simpleenroll', { token: late, body: stage.request('late') });
    stage.certificatesOf(answer, 'late');
    stage.server.advance(91 * 86_400);
    const { status, text } = await renewed('late');
    expect([status, text]).toEqual([401, expect.stringContaining('has expired')]);
  });
});

describe('EST with a proxy in front, and keys of the server', () => {
  let stage: EstStage;
  beforeAll(async () => {
    stage = await openEstStage('embedded', {
      THINGWARD_CLIENT_CERT_PROXIES: '127.0.0.1',
      THINGWARD_EST_SERVER_KEYS: 'on',
    });
  });
  afterAll(() => stage.stop());

  it('believes the one certificate that the proxy names, and binds nothing to its connection', async () => {
    const { token } = await stage.enrollment();
    const answer = await stage.ask('simpleenroll', { token, body: stage.request('behind') });
    const [certificate] = stage.certificatesOf(answer, 'behind');
    const shown = `:${certificate!.raw.toString('base64')}:`;
    const body = stage.request('behind-next', '/CN=behind');
    const ask = (header: string | string[] | undefined, tls = {}) =>
      stage.ask('simplereenroll', { body, tls, headers: header === undefined ? {} : { 'client-cert': header } });
    // That of the proxy's own connection is not the device's.
    expect((await ask(undefined, stage.identity('behind'))).status).toBe(401);
    for (const bad of [[shown, shown], `${shown}, ${shown}`, shown.slice(1), '::', `:${'A'.repeat(5000)}`])
      expect((await ask(bad)).status).toBe(400);
    expect((await ask(shown)).status).toBe(200);
    const bound = (socket: { getFinished(): Buffer | undefined }) =>
      challenging('bound', socket.getFinished()!.toString('base64'));
    expect((await stage.ask('simpleenroll', { token, tls: { maxVersion: 'TLSv1.2' }, bodyOn: bound })).status).toBe(
      422,
    );
  });

  it('makes a key for a device that makes none', async () => {
    const { token } = await stage.enrollment();
    const { status, headers, text } = await stage.ask('serverkeygen', { token, body: stage.request('keyless') });
    expect(status).toBe(200);
    const boundary = /boundary=(\S+)$/.exec(String(headers['content-type']))![1]!;
    const [key, certificate] = text
      .split(`--${boundary}`)
      .slice(1, 3)
      .map((part) => part.split('\r\n\r\n')[1]!.trim());
    const [issued] = stage.certificatesOf({ text: certificate! }, 'keyless');
    const shown = runProgram('bash', ['-c', `echo '${key}' | base64 -d | openssl pkey -inform DER -pubout`]);
    expect(issued!.publicKey.export({ type: 'spki', format: 'pem' })).toBe(shown);
  });
});
