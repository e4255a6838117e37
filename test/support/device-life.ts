import { spawn } from 'node:child_process';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { expect } from 'vitest';
import { enroll } from './fleet.js';
import type { TestServer } from './server.js';

const day = 86_400;

/** What a device without Thingward software can do, each in its folder. Rejects with what it printed. */
export type LonelyDevice = {
  /** Gets its first certificate. `signal` cuts its power. */
  provision(enrollment: string, signal?: AbortSignal): Promise<unknown>;
  /** The same after its key was lost. */
  startAnew(enrollment: string): Promise<unknown>;
  /** An access token. */
  token(): Promise<string>;
  /** Renews if that is due, or the certificate has expired. */
  daily(): Promise<unknown>;
};

/** Runs a program with the clock of a test's server. Resolves with what it printed on stdout, and rejects with all of it when it fails. */
export function runAt(
  server: Pick<TestServer, 'now'>,
  cwd: string,
  command: string[],
  env: Record<string, string>,
  signal?: AbortSignal,
): Promise<string> {
  forgetDeadClocks();
  const at = `@${server.now().toISOString().slice(0, 19).replace('T', ' ')}`;
  return new Promise((resolve, reject) => {
    const child = spawn('faketime', ['-f', at, ...command], {
      cwd,
      env: { PATH: process.env['PATH']!, TZ: 'UTC', FAKETIME_DONT_FAKE_MONOTONIC: '1', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    // With everything that it started, such as a sleep.
    signal?.addEventListener('abort', () => process.kill(-child.pid!, 'SIGKILL'));
    let [output, all] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => ((output += chunk.toString()), (all += chunk.toString())));
    child.stderr.on('data', (chunk: Buffer) => (all += chunk.toString()));
    child.on('error', reject);
    child.on('close', (code) => (code === 0 ? resolve(output.trim()) : reject(new Error(all || `exit code ${code}`))));
  });
}

/** What a killed faketime left behind keeps a later one that gets its process id from starting. */
function forgetDeadClocks(): void {
  for (const name of readdirSync('/dev/shm')) {
    const [, id] = /^(?:sem\.faketime_sem|faketime_shm)_(\d+)$/.exec(name) ?? [];
    if (id !== undefined && !existsSync(`/proc/${id}`)) rmSync(`/dev/shm/${name}`, { force: true });
  }
}

/** Approves every device of an account that waits, as soon as one does. Never, once `isOver`. */
async function approveWaiting({ owner }: TestServer, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    const { items } = (await owner.get('/v1/waiting?status=waiting')).body as { items: { id: string }[] };
    for (const { id } of items) expect((await owner.post(`/v1/waiting/${id}/approve`, {})).status).toBe(200);
    if (items.length > 0) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/**
 * More than a year of a device: first boot with approval, token, renewals, a long time without power, renewal after
 * expiry where that is allowed, and a new start after its key was lost.
 */
export async function liveThrough(server: TestServer, name: string, device: LonelyDevice): Promise<void> {
  const { owner } = server;
  const serialNow = async (): Promise<string> => {
    const self = await server.as(await device.token()).get('/v1/self');
    expect(self.status, self.text).toBe(200);
    expect(self.body.thing.name).toBe(name);
    return self.body.certificate.serialNumber as string;
  };
  const statusOf = async (serial: string) => (await owner.get(`/v1/certificates/${serial}`)).body.status as string;

  const { id, token } = await enroll(server, { approval: 'required' });
  // Its power is cut while it waits.
  const power = new AbortController();
  let isOver = false;
  const ended = device
    .provision(token, power.signal)
    .then(
      () => 'it did not wait',
      (error: Error) => error.message,
    )
    .finally(() => (isOver = true));
  await Promise.race([approveWaiting(server, () => isOver), ended.then((how) => Promise.reject(new Error(how)))]);
  power.abort();
  await ended;
  await device.provision(token);
  const first = await serialNow();
  await device.provision(token);
  await device.daily();
  expect(await serialNow()).toBe(first);

  let current = first;
  for (let renewals = 0; renewals < 3; renewals++) {
    server.advance(70 * day);
    await device.daily();
    const next = await serialNow();
    expect([next === current, await statusOf(current)]).toEqual([false, 'superseded']);
    current = next;
  }

  // Without power until its certificate has expired.
  server.advance(170 * day);
  await expect(device.daily()).rejects.toThrow(/nothing allows to renew it after that: .*renewGraceSeconds/);
  await expect(device.token()).rejects.toThrow(/expired at/);
  await owner.send('PATCH', `/v1/enrollments/${id}`, { renewGraceSeconds: 100 * day });
  await device.daily();
  const late = await serialNow();
  expect([late === current, await statusOf(current)]).toEqual([false, 'superseded']);

  // Its key is lost.
  const reenrollment = (await owner.post(`/v1/things/${name}/reenroll`)).body as { token: string };
  await device.startAnew(reenrollment.token);
  const fresh = await serialNow();
  expect([fresh === late, await statusOf(late)]).toEqual([false, 'revoked']);
  server.advance(-380 * day);
}
