import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { createClient, type Client } from '../client.js';
import { issuerOf, serialOf } from '../pki/crl.js';
import { freshDatabase, type TestDatabase } from '../databases/databases.js';
import { enroll, pemOf, provision, type Device } from '../fleet.js';
import { runProgram } from '../pki/openssl.js';
import { startProgram, type Program } from '../program.js';

const httpGet = Buffer.from('GET / HTTP/1.0\r\n\r\n');

type OwnServer = Program & { ownerKey: string; owner: Client; as(token: string | undefined): Client };

export type Stage = Awaited<ReturnType<typeof createStage>>;

/** A server in a process of its own, three devices of which one is revoked, and everything about them in files. */
export async function createStage() {
  const folder = mkdtempSync(join(tmpdir(), 'thingward-consumers-'));
  const running: ChildProcess[] = [];
  const databases: TestDatabase[] = [];
  const at = (name: string): string => join(folder, name);
  const file = (name: string, content: string | Uint8Array): string => {
    writeFileSync(at(name), content);
    return at(name);
  };

  /** One more server: those who judge it are waited for in this process. */
  async function startOwn(): Promise<OwnServer> {
    const database = await freshDatabase('embedded');
    databases.push(database);
    const ownerKey = `twk_${randomBytes(32).toString('base64url')}`;
    const program = await startProgram({ ...database.settings, THINGWARD_OWNER_KEY: ownerKey });
    const as = (token: string | undefined) => createClient(program.url, token);
    return { ...program, ownerKey, as, owner: as(ownerKey) };
  }

  /** Starts a TLS server and waits until it takes connections. */
  async function start(
    program: string,
    args: string[],
    port: number,
    env: Record<string, string> = {},
  ): Promise<ChildProcess> {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
    running.push(child);
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    for (let tries = 0; tries < 6000; tries++) {
      const socket = connectTcp(port, '127.0.0.1');
      const isOpen = await Promise.race([
        once(socket, 'connect').then(() => true),
        once(socket, 'error').then(() => false),
      ]).catch(() => false);
      socket.destroy();
      if (isOpen) return child;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`${program} does not listen: ${output}`);
  }

  /** Whether a server lets a device in: it answers 200, or its broker accepts. */
  function admits(port: number, { name }: Device, request: Buffer = httpGet): Promise<boolean> {
    return new Promise((resolve) => {
      const pem = readFileSync(at(`${name}-chain.pem`));
      const key = readFileSync(at(`${name}.key`));
      const socket = connect({ host: '127.0.0.1', port, cert: pem, key, rejectUnauthorized: false });
      let answer = Buffer.alloc(0);
      const end = () => {
        socket.destroy();
        resolve(
          /^HTTP\/1\.[01] 200/.test(answer.toString('latin1')) ||
            answer.subarray(0, 4).equals(Buffer.from([0x20, 2, 0, 0])),
        );
      };
      socket.on('secureConnect', () => socket.write(request));
      socket.on('data', (chunk: Buffer) => {
        answer = Buffer.concat([answer, chunk]);
        if (answer.length >= 4) end();
      });
      socket.on('error', end);
      socket.on('close', end);
      // Every server here answers or closes; this ends the wait for one that hangs.
      setTimeout(end, 120_000).unref();
    });
  }

  const server = await startOwn();
  const text = async (path: string): Promise<string> => (await fetch(`${server.url}${path}`)).text();
  const revoke = async (device: Device, reason = 'keyCompromise'): Promise<void> => {
    const answer = await server.owner.post(`/v1/certificates/${serialOf(device)}/revoke`, { reason });
    if (answer.status !== 200) throw new Error(answer.text);
  };
  const fetchBundle = async () => file('bundle.pem', await text('/crl/bundle.pem'));

  const { token } = await enroll(server);
  let issuingPem = '';
  /** A device, with its certificate, its chain and its key in files. */
  const addDevice = async (name: string): Promise<Device> => {
    const device = await provision(server, token, name);
    issuingPem ||= (await text('/ca/chain.pem')).split(/(?<=-----END CERTIFICATE-----\n)/)[0]!;
    file(`${name}.pem`, pemOf(device));
    file(`${name}-chain.pem`, pemOf(device) + issuingPem);
    file(`${name}.key`, device.key.export({ type: 'pkcs8', format: 'pem' }));
    return device;
  };
  const good = await addDevice('good');
  const revoked = await addDevice('revoked');
  const late = await addDevice('late');
  // A delta list is there, so that one in the bundle would be seen.
  await server.owner.send('PATCH', `/v1/issuers/${issuerOf(good)}`, { deltaList: true });
  await fetch(`${server.url}/crl/${issuerOf(good)}/delta.crl`);
  await revoke(revoked);
  const chain = await text('/ca/chain.pem');
  file('chain.pem', chain);
  const [issuing, root] = chain.split(/(?<=-----END CERTIFICATE-----\n)/) as [string, string];
  file('int.pem', issuing);
  file('root.pem', root);
  // The servers' own certificate has nothing to do with ours.
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', at('server.key')];
  runProgram('openssl', ['req', '-x509', ...newKey, '-subj', '/CN=edge', '-days', '2', '-out', at('server.pem')]);
  file('server-both.pem', Buffer.concat([readFileSync(at('server.pem')), readFileSync(at('server.key'))]));
  await fetchBundle();

  return {
    server,
    good,
    revoked,
    late,
    at,
    file,
    text,
    revoke,
    fetchBundle,
    start,
    startOwn,
    admits,
    addDevice,

    async stop(): Promise<void> {
      for (const child of running) if (child.exitCode === null) child.kill('SIGKILL');
      await server.kill();
      for (const { remove } of databases) remove();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
