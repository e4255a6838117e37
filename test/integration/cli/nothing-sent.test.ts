import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runThingward } from '../../support/shell.js';

const folder = mkdtempSync(join(tmpdir(), 'thingward-cli-'));
let requests = 0;
const listener = createServer((_request, response) => {
  requests++;
  response.setHeader('content-type', 'application/json');
  response.end('{"items":[]}');
});
let env: Record<string, string> = {};

beforeAll(async () => {
  await once(listener.listen(0, '127.0.0.1'), 'listening');
  const { port } = listener.address() as AddressInfo;
  env = { XDG_CONFIG_HOME: folder, THINGWARD_URL: `http://127.0.0.1:${port}` };
});
afterAll(() => {
  listener.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('what is no API key', () => {
  it('is never sent, and THINGWARD_KEY is not even read', async () => {
    const secret = 'c2VhbGluZy1rZXktb2YtdGhlLXNlcnZlcg==';
    for (const given of [{ THINGWARD_API_KEY: secret }, { THINGWARD_KEY: secret }]) {
      const { code, output } = await runThingward(['things', 'list'], { ...env, ...given });
      expect(code).toBe(2);
      expect(output.trim().split('\n')).toHaveLength(1);
      expect(output).not.toContain(secret);
    }
    expect(requests).toBe(0);
  });

  it('while a key is sent', async () => {
    const key = `twk_${'k'.repeat(32)}`;
    const { code, output } = await runThingward(['things', 'list', '-o', 'json'], { ...env, THINGWARD_API_KEY: key });
    expect({ code, output }).toEqual({ code: 0, output: '[]\n' });
    expect(requests).toBe(1);
  });
});
