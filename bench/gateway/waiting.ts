import { execFile, spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { ownTopics } from '../../test/support/gateway/device.js';
import { freePort } from '../../test/support/ports.js';
import { expectOk, pause, until, type BenchStage } from '../edge/stage.js';
import { cost, countingRelay } from './relay.js';

const commands = 50;
const keepAliveSeconds = 10;
const signsOfLife = 12;
const agentProgram = resolve('dist/agent/main.js');

/** Octets of the built agent behind the built edge: to open a session, for a sign of life and its answer, and for a command and its answer. */
export async function measureWaiting(stage: BenchStage): Promise<{ opening: number; life: number; command: number }> {
  const name = 'waiting';
  const port = await startEdge(stage);
  await provision(stage, name);
  const relay = await countingRelay(port);
  const send = async (): Promise<void> => {
    const command = { name: 'update', payload: { version: '4.2.1' } };
    const { id } = expectOk(await stage.owner.post(`/v1/things/${name}/commands`, command)).body;
    const isAnswered = async (): Promise<boolean> =>
      (await stage.owner.get(`/v1/things/${name}/commands/${id as string}`)).body.status === 'acknowledged';
    await until('a command is answered', isAnswered);
  };
  try {
    startAgent(stage, name, relay.port);
    const first = await cost(relay, send);
    const silence = await cost(relay, () => pause(signsOfLife * keepAliveSeconds * 500));
    const all = await cost(relay, async () => {
      for (let n = 0; n < commands; n++) await send();
    });
    const command = all / commands;
    return { opening: first - command, life: silence / signsOfLife, command };
  } finally {
    await relay.stop();
  }
}

async function startEdge(stage: BenchStage): Promise<number> {
  const [broker] = await stage.startBroker(1);
  const port = await freePort();
  const files = { certFile: stage.at('tls.crt'), keyFile: stage.at('tls.key') };
  const listener = { protocol: 'mqtts', host: '127.0.0.1', port, ...files, clientCertificates: 'required' };
  const upstream = `mqtt://127.0.0.1:${broker}`;
  await stage.startEdge({
    name: 'site',
    server: stage.url,
    listeners: [listener],
    upstream,
    gateway: { commands: {} },
  });
  return port;
}

async function provision(stage: BenchStage, name: string): Promise<void> {
  expectOk(await stage.owner.post('/v1/policies', { name: 'waiting', statements: ownTopics }));
  const enrollment = { thingNamePattern: '*', maxUses: 1, policy: 'waiting' };
  const { token } = expectOk(await stage.owner.post('/v1/enrollments', enrollment)).body;
  const to = ['--server', stage.url, '--out', stage.at(name), '--name', name];
  await promisify(execFile)(process.execPath, [agentProgram, 'provision', ...to, '--enrollment', token as string]);
}

function startAgent(stage: BenchStage, name: string, port: number): void {
  const edge = ['--mqtt', `localhost:${port}`, '--mqtt-ca', stage.at('tls.crt')];
  const how = ['--no-stdin', '--keep-alive', String(keepAliveSeconds), '--on-command', 'true'];
  const args = [agentProgram, 'run', '--out', stage.at(name), ...edge, ...how];
  stage.children.push(spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] }));
}
