import { readFileSync } from 'node:fs';
import { connect } from 'node:tls';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createEdgeStage, type EdgeStage } from '../../support/edge/stage.js';
import { enroll, pemOf, provision, type Device } from '../../support/fleet.js';
import { createStage, type Stage } from '../../support/judges/consumers.js';
import { issuerOf, serialOf } from '../../support/pki/crl.js';
import { runProgram } from '../../support/pki/openssl.js';
import { documentedServers, type TlsServer } from '../../support/pki/tls-forms.js';
import { freePort } from '../../support/ports.js';
import { describeWith } from '../../support/programs.js';

describeWith(['openssl', 'nginx', 'mosquitto'], 'TLS servers, while one CA takes over from another', () => {
  let stage: Stage;
  let servers: ReturnType<typeof documentedServers>;
  beforeAll(async () => {
    stage = await createStage();
    servers = documentedServers(stage);
  });
  afterAll(() => stage.stop());

  const verify = (pem: string): string => {
    const { at, file } = stage;
    return runProgram('openssl', [
      ...['verify', '-x509_strict', '-purpose', 'sslclient', '-CAfile', at('root.pem'), '-untrusted', at('chain.pem')],
      ...['-CRLfile', at('bundle.pem'), '-crl_check_all', file('judged.pem', pem)],
    ]);
  };

  it('refuse no device and let no revoked one in, before, meanwhile and afterwards', async () => {
    const { server, good, revoked, late, file, text, revoke, fetchBundle, admits } = stage;
    const { token } = await enroll(server);
    const addDevice = async (name: string): Promise<Device> => {
      const device = await provision(server, token, name);
      const [issuing] = (device.answer.body.certificate.chainPem as string).split(/(?<=-----END CERTIFICATE-----\n)/);
      file(`${name}-chain.pem`, pemOf(device) + issuing!);
      file(`${name}.key`, device.key.export({ type: 'pkcs8', format: 'pem' }));
      return device;
    };
    const kinds = ['nginx', 'mosquitto'].map((name) => servers[name]!);
    const startBoth = () =>
      Promise.all(
        kinds.map(async (kind): Promise<[TlsServer, number]> => {
          const port = await freePort();
          await kind.start(port);
          return [kind, port];
        }),
      );
    const verdicts = async (running: [TlsServer, number][], device: Device): Promise<boolean[]> => {
      const all: boolean[] = [];
      for (const [{ request }, port] of running) all.push(await admits(port, device, request));
      return all;
    };

    const before = await startBoth();
    let stopping = false;
    const [refused, letIn, issued]: [string[], string[], number[]] = [[], [], []];
    let running = before;
    const watch = async (): Promise<void> => {
      while (!stopping) {
        if ((await verdicts(running, good)).includes(false)) refused.push('good');
        if ((await verdicts(running, revoked)).includes(true)) letIn.push('revoked');
      }
    };
    const load = async (): Promise<void> => {
      for (let n = 0; !stopping; n++) issued.push((await provision(server, token, `load-${n}`)).answer.status);
    };
    const busy = [watch(), load()];

    const next = (await server.owner.post('/v1/issuers', { kind: 'issuing' })).body.id as string;
    file('chain.pem', await text('/ca/chain.pem'));
    await fetchBundle();
    const after = await startBoth();
    running = [...before, ...after];
    expect((await server.owner.post(`/v1/issuers/${next}/activate`)).status).toBe(200);
    const [fresh, gone] = [await addDevice('fresh'), await addDevice('gone')];
    expect([issuerOf(fresh), issuerOf(good)]).toEqual([next, expect.not.stringContaining(next)]);
    expect(await verdicts(after, fresh)).toEqual([true, true]);
    expect(await verdicts(after, gone)).toEqual([true, true]);
    // Of the CA before and of the one after: both lists go on.
    await revoke(gone);
    await revoke(late);
    await fetchBundle();
    const last = await startBoth();
    running = last;
    for (const device of [gone, late]) expect(await verdicts(last, device)).toEqual([false, false]);
    for (const device of [fresh, good]) expect(await verdicts(last, device)).toEqual([true, true]);
    for (const device of [fresh, good]) expect(verify(pemOf(device))).toContain('OK');
    for (const device of [gone, late]) expect(() => verify(pemOf(device))).toThrow('certificate revoked');
    stopping = true;
    await Promise.all(busy);
    expect([refused, letIn, issued.filter((status) => status !== 201)]).toEqual([[], [], []]);
    expect(issued.length).toBeGreaterThan(5);
  });
});

describeWith(['openssl'], 'an edge, while one CA takes over from another', () => {
  let stage: EdgeStage;
  beforeAll(async () => void (stage = await createEdgeStage()));
  afterAll(() => stage.stop());

  it('lets a device of the new one in at its first request, and every device of the old one', async () => {
    const { server, at } = stage;
    const edge = await stage.startEdge([{ protocol: 'https', clientCertificates: 'required' }]);
    const ask = (name: string): Promise<string> =>
      new Promise((resolve) => {
        const files = { cert: readFileSync(at(`${name}.crt`)), key: readFileSync(at(`${name}.key`)) };
        const target = { host: '127.0.0.1', port: edge.portOf(0), servername: 'localhost' };
        const socket = connect({ ...target, ca: readFileSync(at('tls.crt')), ...files });
        let said = '';
        socket.on('data', (octets: Buffer) => (said += octets.toString('latin1')));
        socket.on('error', () => {});
        socket.on('close', () => resolve(/^HTTP\/1\.1 (\d+)/.exec(said)?.[1] ?? 'closed'));
        socket.write(`GET /${name}/a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
      });
    const old = await stage.addDevice();
    expect(await ask(old.name)).toBe('200');
    let stopping = false;
    const answers: string[] = [];
    const watch = (async () => {
      while (!stopping) answers.push(await ask(old.name));
    })();
    for (let turn = 0; turn < 3; turn++) {
      const next = (await server.owner.post('/v1/issuers', { kind: 'issuing' })).body.id as string;
      await server.owner.post(`/v1/issuers/${next}/activate`);
      const fresh = await stage.addDevice();
      expect(issuerOf(fresh)).toBe(next);
      expect(await ask(fresh.name)).toBe('200');
      const answer = await server.owner.post(`/v1/certificates/${serialOf(fresh)}/revoke`, { reason: 'keyCompromise' });
      expect(answer.status).toBe(200);
      expect(await ask(fresh.name)).not.toBe('200');
    }
    stopping = true;
    await watch;
    expect(answers.filter((answer) => answer !== '200')).toEqual([]);
    expect(answers.length).toBeGreaterThan(3);
  });
});
