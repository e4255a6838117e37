import { afterAll, beforeAll, expect, it } from 'vitest';
import { createStage, type Stage } from '../../support/judges/consumers.js';
import { serialOf } from '../../support/pki/crl.js';
import { freePort } from '../../support/ports.js';
import { describeWith } from '../../support/programs.js';
import { documentedServers, mqttConnect, type TlsServer } from '../../support/pki/tls-forms.js';

// Each as docs/revocation.md has it, to the letter.
describeWith(['openssl', 'nginx', 'haproxy', 'mosquitto'], 'TLS servers that check revocation', () => {
  let stage: Stage;
  let servers: ReturnType<typeof documentedServers>;
  beforeAll(async () => {
    stage = await createStage();
    servers = documentedServers(stage);
  });
  afterAll(() => stage.stop());

  const verdicts = async (port: number, { request }: TlsServer): Promise<boolean[]> => [
    await stage.admits(port, stage.good, request),
    await stage.admits(port, stage.revoked, request),
  ];

  it.each(['nginx', 'haproxy', 'node'])(
    '%s with the bundle admits the good device and no revoked one',
    async (name) => {
      const port = await freePort();
      await servers[name]!.start(port);
      expect(await verdicts(port, servers[name]!)).toEqual([true, false]);
    },
  );

  it('NGINX with ssl_ocsp admits the good device and no revoked one, and goes by what is revoked from then on', async () => {
    const { server, late, revoke, admits } = stage;
    const port = await freePort();
    await servers['nginxOcsp']!.start(port);
    expect(await verdicts(port, servers['nginxOcsp']!)).toEqual([true, false]);
    expect(await admits(port, late)).toBe(true);
    await revoke(late, 'certificateHold');
    expect(await admits(port, late)).toBe(false);
    await server.owner.post(`/v1/certificates/${serialOf(late)}/release`);
    expect(await admits(port, late)).toBe(true);
  });

  it('Mosquitto with crlfile admits the good device and no revoked one, and after SIGHUP none revoked since', async () => {
    const { server, good, late, revoke, fetchBundle, admits } = stage;
    const port = await freePort();
    await server.owner.post(`/v1/certificates/${serialOf(late)}/release`);
    await fetchBundle();
    const broker = await servers['mosquitto']!.start(port);
    expect(await verdicts(port, servers['mosquitto']!)).toEqual([true, false]);
    expect(await admits(port, late, mqttConnect)).toBe(true);
    await revoke(late, 'privilegeWithdrawn');
    await fetchBundle();
    broker.kill('SIGHUP');
    await expect.poll(() => admits(port, late, mqttConnect), { timeout: 300_000, interval: 50 }).toBe(false);
    expect(await admits(port, good, mqttConnect)).toBe(true);
  });
});
