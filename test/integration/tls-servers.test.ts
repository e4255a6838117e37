import { readFileSync } from 'node:fs';
import { createServer } from 'node:tls';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createStage, type Stage } from '../support/consumers.js';
import { serialOf } from '../support/crl.js';
import { freePort } from '../support/ports.js';
import { describeWith } from '../support/programs.js';

const mqttConnect = Buffer.from('101000044d5154540402003c000474657374', 'hex');

describeWith(['openssl', 'nginx', 'haproxy', 'mosquitto'], 'TLS servers that check revocation', () => {
  let stage: Stage;
  beforeAll(async () => void (stage = await createStage()));
  afterAll(() => stage.stop());

  const verdicts = async (port: number, request?: Buffer): Promise<boolean[]> => [
    await stage.admits(port, stage.good, request),
    await stage.admits(port, stage.revoked, request),
  ];

  it('NGINX with ssl_crl admits the good device and no revoked one', async () => {
    const { at, startNginx } = stage;
    const port = await freePort();
    await startNginx(port, `ssl_crl ${at('bundle.pem')};`);
    expect(await verdicts(port)).toEqual([true, false]);
  });

  it('NGINX with ssl_ocsp admits the good device and no revoked one, and goes by what is revoked from then on', async () => {
    const { server, late, revoke, startNginx, admits } = stage;
    const port = await freePort();
    await startNginx(port, `ssl_ocsp on; ssl_ocsp_responder ${server.url}/ocsp;`);
    expect(await verdicts(port)).toEqual([true, false]);
    expect(await admits(port, late)).toBe(true);
    await revoke(late, 'certificateHold');
    expect(await admits(port, late)).toBe(false);
    await server.owner.post(`/v1/certificates/${serialOf(late)}/release`);
    expect(await admits(port, late)).toBe(true);
  });

  it('HAProxy with crl-file admits the good device and no revoked one', async () => {
    const { at, file, start } = stage;
    const port = await freePort();
    file(
      'haproxy.cfg',
      `defaults\n mode http\n timeout client 5s\n timeout server 5s\n timeout connect 5s\nfrontend f\n bind 127.0.0.1:${port} ssl crt ${at('server-both.pem')} ca-file ${at('chain.pem')} verify required crl-file ${at('bundle.pem')}\n http-request return status 200 content-type text/plain string ok\n`,
    );
    await start('haproxy', ['-db', '-f', at('haproxy.cfg')], port);
    expect(await verdicts(port)).toEqual([true, false]);
  });

  it('Mosquitto with crlfile admits the good device and no revoked one, and after SIGHUP none revoked since', async () => {
    const { server, good, late, at, file, revoke, fetchBundle, start, admits } = stage;
    const port = await freePort();
    await server.owner.post(`/v1/certificates/${serialOf(late)}/release`);
    await fetchBundle();
    file(
      'mosquitto.conf',
      `user root\nlistener ${port} 127.0.0.1\nallow_anonymous true\ncafile ${at('chain.pem')}\ncertfile ${at('server.pem')}\nkeyfile ${at('server.key')}\nrequire_certificate true\ncrlfile ${at('bundle.pem')}\n`,
    );
    const broker = await start('mosquitto', ['-c', at('mosquitto.conf')], port);
    expect(await verdicts(port, mqttConnect)).toEqual([true, false]);
    expect(await admits(port, late, mqttConnect)).toBe(true);
    await revoke(late, 'privilegeWithdrawn');
    await fetchBundle();
    broker.kill('SIGHUP');
    // It reads the file again when it gets round to the signal.
    for (let tries = 0; tries < 200 && (await admits(port, late, mqttConnect)); tries++)
      await new Promise((resolve) => setTimeout(resolve, 50));
    expect([await admits(port, late, mqttConnect), await admits(port, good, mqttConnect)]).toEqual([false, true]);
  });

  it("Node's tls with crl admits the good device and no revoked one", async () => {
    const { at, text } = stage;
    const crl = [...(await text('/crl/bundle.pem')).matchAll(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----\n/g)].map(
      ([pem]) => pem,
    );
    const ca = readFileSync(at('chain.pem'), 'utf8')
      .split(/(?<=-----END CERTIFICATE-----\n)/)
      .filter(Boolean);
    const tls = createServer(
      {
        cert: readFileSync(at('server.pem')),
        key: readFileSync(at('server.key')),
        ca,
        crl,
        requestCert: true,
        rejectUnauthorized: true,
      },
      (socket) => {
        socket.on('error', () => {});
        socket.on('data', () => socket.end('HTTP/1.0 200 OK\r\n\r\n'));
      },
    );
    tls.on('tlsClientError', () => {});
    await new Promise<void>((resolve) => tls.listen(0, '127.0.0.1', resolve));
    expect(await verdicts((tls.address() as { port: number }).port)).toEqual([true, false]);
    tls.close();
  });
});
