import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeWith } from '../../support/programs.js';
import { startServer, type TestServer } from '../../support/server.js';

const run = promisify(execFile);
const timeout = 600_000;
const most = 16 * 1024 * 1024;
const api = resolve('openapi.yaml');
const sources = resolve('test/support/clients');

describe('clients that others generate from openapi.yaml', () => {
  let server: TestServer;
  let folder: string;
  let env: NodeJS.ProcessEnv;

  beforeAll(async () => {
    server = await startServer('embedded');
    folder = mkdtempSync(join(tmpdir(), 'clients-'));
    env = { ...process.env, THINGWARD_URL: server.url, THINGWARD_API_KEY: server.ownerKey };
  });
  afterAll(async () => {
    rmSync(folder, { recursive: true, force: true });
    await server.stop();
  });

  const expectFirstBoot = (printed: string, thing: string) =>
    expect(JSON.parse(printed)).toEqual({
      repeated: true,
      thing,
      serial: 40,
      listed: [thing],
      refused: 'urn:thingward:problem:not-found',
    });

  describeWith(['oapi-codegen', 'go'], 'Go: oapi-codegen', () => {
    it(
      'compiles and does a first boot, errors included',
      async () => {
        const place = join(folder, 'go');
        cpSync(join(sources, 'go'), place, { recursive: true });
        await run('mkdir', [join(place, 'client')]);
        const target = join(place, 'client', 'client.go');
        await run('oapi-codegen', ['-generate', 'types,client', '-package', 'client', '-o', target, api], { timeout });
        const { stdout } = await run('go', ['run', '.'], { cwd: place, env, timeout, maxBuffer: most });
        expectFirstBoot(stdout, 'go-1');
      },
      timeout,
    );
  });

  describeWith(['openapi-generator-cli', 'java', 'python3:pydantic'], 'Python: openapi-generator', () => {
    it(
      'compiles and does a first boot, errors included',
      async () => {
        const place = join(folder, 'python');
        const options = ['-g', 'python', '-i', api, '-o', place, '--package-name', 'thingward_client'];
        await run('openapi-generator-cli', ['generate', ...options], { timeout, maxBuffer: most });
        await run('python3', ['-m', 'compileall', '-q', join(place, 'thingward_client')], { timeout });
        const { stdout } = await run('python3', [join(sources, 'python', 'first_boot.py')], {
          env: { ...env, PYTHONPATH: place },
          timeout,
        });
        expectFirstBoot(stdout, 'py-1');
      },
      timeout,
    );
  });

  it(
    'TypeScript: openapi-typescript makes types that compile',
    async () => {
      const target = join(folder, 'api.ts');
      symlinkSync(resolve('node_modules'), join(folder, 'node_modules'));
      await run('npx', ['openapi-typescript', api, '-o', target], { timeout, maxBuffer: most });
      await run('npx', ['tsc', '--noEmit', '--strict', '--skipLibCheck', '--ignoreConfig', target], {
        timeout,
        maxBuffer: most,
      });
    },
    timeout,
  );

  describeWith(['schemathesis'], 'schemathesis', () => {
    it(
      'finds no failure of the server and no answer that its description does not have',
      async () => {
        const checks =
          'not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance';
        const { stdout } = await run(
          'schemathesis',
          [
            'run',
            api,
            '--url',
            server.url,
            '--header',
            `Authorization: Bearer ${server.ownerKey}`,
            '--checks',
            checks,
            '--max-examples',
            process.env['SCHEMATHESIS_EXAMPLES'] ?? '3',
            '--phases',
            'examples,coverage,fuzzing',
            '--exclude-path-regex',
            // It writes no NDJSON, which is what /v1/things/expected takes.
            '/stream$|^/v1/things/expected$|^/(access|ocsp|v1/accounts|v1/aws|v1/renew|v1/self)',
            '--seed',
            '1',
            '--request-timeout',
            '20',
            '--no-color',
          ],
          { cwd: folder, env, timeout, maxBuffer: most },
        ).catch((error: { stdout?: string; message: string }) => {
          const said = error.stdout ?? error.message;
          throw new Error(said.slice(Math.max(0, said.search(/= (?:FAILURES|ERRORS) =/))).slice(0, 8000));
        });
        expect(stdout).not.toMatch(/FAILURES/);
      },
      timeout,
    );
  });
});
