import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDecider, followRevocations } from '../../../src/edge/client.js';
import { startServer, type TestServer } from '../../support/server.js';

/** Node forgets the signal of a request whose answer has begun when it collects garbage. */
async function collectGarbage(): Promise<void> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  for (let round = 0; round < 5; round++) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** What became of something that must not last. */
const withinSeconds = (seconds: number, work: Promise<void>): Promise<string> =>
  Promise.race([
    work.then(() => 'closed'),
    new Promise<string>((resolve) => void setTimeout(() => resolve('still follows'), seconds * 1000).unref()),
  ]);

describe('a stream that is followed', () => {
  let server: TestServer;
  const folder = mkdtempSync(join(tmpdir(), 'lost-signals-'));
  const keyOf = async (role: string) => (await server.owner.post('/v1/api-keys', { role })).body.key as string;

  beforeAll(async () => {
    server = await startServer('embedded');
  });
  afterAll(async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('ends with the decider, also after garbage was collected', async () => {
    const decider = await createDecider({
      server: server.url,
      key: await keyOf('edge'),
      name: 'decides',
      stateDir: folder,
    });
    await collectGarbage();
    expect(await withinSeconds(60, decider.close())).toBe('closed');
  });

  it('ends with the list of revocations, also after garbage was collected', async () => {
    const revocations = await followRevocations({ server: server.url, key: await keyOf('proxy'), name: 'follows' });
    while (revocations.mode() !== 'stream') await new Promise((resolve) => setTimeout(resolve, 20));
    await collectGarbage();
    expect(await withinSeconds(60, revocations.close())).toBe('closed');
  });
});
