import { existsSync, writeFileSync } from 'node:fs';
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

/** What OpenSSL says of a certificate that a client got. */
const verified = async (file: string): Promise<string> =>
  run(`openssl verify -x509_strict -CAfile ca.pem ${file} && openssl x509 -in ${file} -noout -subject -serial`);

describeWith(['pki', 'openssl'], 'the EST client of strongSwan', () => {
  it('fetches the authorities, enrolls, and renews by its certificate', async () => {
    const { token } = await stage.enrollment();
    await run(`
      pki --estca --url ${stage.url} --cacert tls.crt --caout swan-ca --outform pem
      ls swan-ca*
      pki --gen --type ecdsa --size 256 --outform pem > swan.key
      pki --req --type priv --in swan.key --dn "CN=swan" > swan.csr
      pki --est --url ${stage.url} --in swan.csr --cacert tls.crt --userpass dev:${token} --interval 1 -f pem > swan.crt
      pki --gen --type ecdsa --size 256 --outform pem > swan2.key
      pki --req --type priv --in swan2.key --dn "CN=swan" > swan2.csr
      pki --est --url ${stage.url} --in swan2.csr --cacert tls.crt --cert swan.crt --key swan.key -f pem > swan2.crt
    `);
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
  it('enroll as docs/est.md says, however the base64 is broken into lines', async () => {
    const { token } = await stage.enrollment();
    writeFileSync(stage.at('token'), token);
    for (const [name, wrap] of [
      ['one-line', '-A'],
      ['many-lines', ''],
    ]) {
      await run(`
        openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ${name}.key -subj /CN=${name} -outform DER | openssl base64 ${wrap} > ${name}.b64
        curl -sS --fail-with-body --cacert tls.crt -u "${name}:$(cat token)" -H 'content-type: application/pkcs10' -H 'content-transfer-encoding: base64' --data-binary @${name}.b64 ${stage.url}/.well-known/est/simpleenroll | openssl base64 -d -A | openssl pkcs7 -inform DER -print_certs | openssl x509 > ${name}.crt
      `);
      expect(await verified(`${name}.crt`)).toContain(`CN = ${name}`);
    }
  });
});
