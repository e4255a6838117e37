import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openEstStage, type EstStage } from '../../support/est/stage.js';
import { describeWith } from '../../support/programs.js';
import { runShell } from '../../support/shell.js';

let stage: EstStage;
beforeAll(async () => {
  stage = await openEstStage('embedded');
  const authorities = stage.certificatesOf(await stage.ask('cacerts'));
  writeFileSync(stage.at('ca.pem'), authorities.map(String).join('\n'));
});
afterAll(() => stage.stop());

const run = async (script: string): Promise<string> => {
  const { code, output } = await runShell(script, stage.folder);
  expect(code, output).toBe(0);
  return output;
};

/** Runs what docs/est.md says below a mark. */
const documented = (mark: string, token: string): Promise<string> => {
  const script = readFileSync('docs/est.md', 'utf8').split(`<!-- test: ${mark} -->`)[1]!.split('```')[1]!.slice(3);
  return run(`TOKEN=${token}\nEST=${stage.url}\n${script}`);
};

/** What OpenSSL says of a certificate that a client got. */
const verified = async (file: string): Promise<string> =>
  run(`openssl verify -x509_strict -CAfile ca.pem ${file} && openssl x509 -in ${file} -noout -subject -serial`);

describeWith(['pki', 'openssl'], 'the EST client of strongSwan', () => {
  it('fetches the authorities, enrolls, and renews by its certificate', async () => {
    const { token } = await stage.enrollment();
    await documented('strongswan', token);
    expect(await verified('swan.crt')).toContain('CN = swan');
    expect(await verified('swan2.crt')).toContain('CN = swan');
  });

  it('waits for an approval, and gets its certificate after it', async () => {
    const { token } = await stage.enrollment({ approval: 'required' });
    const enrolling = run(`
      pki --gen --type ecdsa --size 256 --outform pem > patient.key
      pki --req --type priv --in patient.key --dn "CN=patient" > patient.csr
      pki --est --url ${stage.url} --in patient.csr --cacert tls.crt --userpass dev:${token} --interval 1 -f pem > patient.crt
    `);
    let id: string | undefined;
    while (id === undefined) {
      const { body } = await stage.server.owner.get('/v1/waiting');
      id = (body.items as { id: string }[])[0]?.id;
    }
    expect((await stage.server.owner.post(`/v1/waiting/${id}/approve`, {})).status).toBe(200);
    await enrolling;
    expect(await verified('patient.crt')).toContain('CN = patient');
  });
});

describeWith(['estclient', 'openssl'], 'an EST client in Go', () => {
  it('reads what a request should look like, enrolls, and renews', async () => {
    const { token, id } = await stage.enrollment();
    const server = `-server 127.0.0.1:${stage.port} -explicit tls.crt`;
    const output = await run(`
      estclient cacerts ${server} -out go-ca.pem
      estclient csrattrs ${server}
      openssl ecparam -name prime256v1 -genkey -noout -out go.key
      openssl req -new -key go.key -subj /CN=gopher -out go.csr
      estclient enroll ${server} -aps ${id} -user gopher -pass ${token} -csr go.csr -out go.crt
      openssl ecparam -name prime256v1 -genkey -noout -out go2.key
      openssl req -new -key go2.key -subj /CN=gopher -out go2.csr
      estclient reenroll ${server} -certs go.crt -key go.key -csr go2.csr -out go2.crt
    `);
    expect(output).not.toContain('error');
    expect(await verified('go.crt')).toContain('CN = gopher');
    expect(await verified('go2.crt')).toContain('CN = gopher');
  });
});

const jars = ['/usr/share/java/bcpkix.jar', '/usr/share/java/bcprov.jar', '/usr/share/java/bcutil.jar'];
describeWith(['javac', ...jars.slice(0, 2)], 'the EST client of BouncyCastle', () => {
  it('fetches the authorities and enrolls', async () => {
    const { token } = await stage.enrollment();
    const path = jars.filter(existsSync).join(':');
    const source = new URL('../../support/est/Enroll.java', import.meta.url).pathname;
    await run(`
      openssl ecparam -name prime256v1 -genkey -noout -out bouncy.key
      openssl req -new -key bouncy.key -subj /CN=bouncy -out bouncy.csr
      java -cp ${path} ${source} 127.0.0.1:${stage.port} tls.crt ${token} bouncy.csr bouncy.crt
    `);
    expect(await verified('bouncy.crt')).toContain('CN = bouncy');
  });
});

describeWith(['curl', 'openssl'], 'curl and OpenSSL', () => {
  it('enroll and renew as docs/est.md says', async () => {
    await documented('curl', (await stage.enrollment()).token);
    for (const file of ['pump-1.crt', 'next.crt']) expect(await verified(file)).toContain('CN = pump-1');
  });

  it('enroll with base64 in many lines', async () => {
    const { token } = await stage.enrollment();
    const body = stage.request('many-lines').replace(/.{64}/g, '$&\r\n');
    const answer = await stage.ask('simpleenroll', { token, body, headers: { 'content-transfer-encoding': 'binary' } });
    stage.certificatesOf(answer, 'many-lines');
    expect(await verified('many-lines.crt')).toContain('CN = many-lines');
  });
});
