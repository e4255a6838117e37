import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createClient } from '../../support/client.js';
import { csrPem } from '../../support/pki/csr.js';
import { startProgram } from '../../support/program.js';

/** Mounts a small file system; undefined where this user may not. */
function smallDisk(megabytes: number): { path: string; remove(): void } | undefined {
  const path = mkdtempSync(join(tmpdir(), 'thingward-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', path], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  const remove = () => {
    execFileSync('umount', ['-l', path]);
    rmSync(path, { recursive: true, force: true });
  };
  return { path, remove };
}

const disk = process.platform === 'linux' ? smallDisk(160) : undefined;

describe.skipIf(!disk)('the embedded database on a full disk', () => {
  it('ends the process rather than say anything untrue, and starts again with every acknowledged device', async () => {
    const ownerKey = `twk_${randomBytes(32).toString('base64url')}`;
    const settings = { THINGWARD_DATA_DIR: join(disk!.path, 'data'), THINGWARD_OWNER_KEY: ownerKey };
    const program = await startProgram(settings);
    const ended = once(program.process, 'exit') as Promise<[number | null]>;
    const { token } = (
      await createClient(program.url, ownerKey).post('/v1/enrollments', { thingNamePattern: '*', maxUses: 1_000_000 })
    ).body;
    const agent = createClient(program.url, token);
    const filler = join(disk!.path, 'filler');
    fill(filler);
    const acked: string[] = [];
    let running = true;
    void ended.then(() => (running = false));
    const deadline = performance.now() + 600_000;
    for (let n = 0; running && performance.now() < deadline; n++) {
      const answers = await Promise.all(
        Array.from({ length: 32 }, async (_, m) => {
          const thingName = `d-${n}-${m}`;
          const answer = await agent.post('/v1/provision', { thingName, csr: csrPem() }).catch(() => undefined);
          return answer?.status === 201 ? thingName : undefined;
        }),
      );
      acked.push(...answers.filter((name) => name !== undefined));
    }
    const [code] = await ended;
    expect([code, program.output()]).toEqual([70, expect.stringContaining('look at the disk')]);
    rmSync(filler);

    const again = await startProgram(settings);
    const owner = createClient(again.url, ownerKey);
    const lost: string[] = [];
    for (const name of acked) if ((await owner.get(`/v1/things/${name}`)).status !== 200) lost.push(name);
    console.log(`full disk: acked=${acked.length} lost=${lost.length}`);
    expect(lost).toEqual([]);
    await again.kill();
    disk!.remove();
  });
});

/** Takes what is left of the disk but a few megabytes. */
function fill(path: string): void {
  const free = Number(
    execFileSync('df', ['--output=avail', '-B1', join(path, '..')], { encoding: 'utf8' }).split('\n')[1],
  );
  writeFileSync(path, Buffer.alloc(Math.max(0, free - 6_000_000)));
}
