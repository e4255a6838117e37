import { execFile, spawnSync } from 'node:child_process';
import { subtle } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import * as oauth from 'openid-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { enroll, provision, type Device } from '../../support/fleet.js';
import { describeUnless, describeWith } from '../../support/programs.js';
import { startServer, type TestServer } from '../../support/server.js';

const run = promisify(execFile);
const nimbus = resolve('.ci-tools/nimbus');
const timeout = 60_000;

describe('OAuth clients as they come', () => {
  let server: TestServer;
  let reader: string;
  let device: Device;
  let clientId: string;
  let folder: string;
  beforeAll(async () => {
    server = await startServer('embedded');
    reader = (await server.owner.post('/v1/api-keys', { role: 'proxy' })).body.key as string;
    device = await provision(server, (await enroll(server)).token, 'stock-1');
    clientId = `default/${device.name}`;
    folder = mkdtempSync(join(tmpdir(), 'oauth-'));
    writeFileSync(join(folder, 'key.pem'), device.key.export({ type: 'pkcs8', format: 'pem' }));
  });
  afterAll(async () => {
    rmSync(folder, { recursive: true, force: true });
    await server.stop();
  });

  const subjectOf = (token: string) =>
    (JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as { sub: string }).sub;

  it('openid-client: finds the server, gets, refreshes, introspects and revokes', async () => {
    const der = device.key.export({ type: 'pkcs8', format: 'der' });
    const key = await subtle.importKey('pkcs8', der, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
    const options = { execute: [oauth.allowInsecureRequests], algorithm: 'oauth2' as const };
    const url = new URL(server.url);
    const client = await oauth.discovery(url, clientId, undefined, oauth.PrivateKeyJwt(key), options);
    const first = await oauth.clientCredentialsGrant(client);
    expect(subjectOf(first.access_token)).toBe(device.name);
    const refreshed = await oauth.refreshTokenGrant(client, device.answer.body.token.refreshToken as string);
    expect(subjectOf(refreshed.access_token)).toBe(device.name);
    for (const method of [oauth.ClientSecretBasic(reader), oauth.ClientSecretPost(reader)]) {
      const asking = await oauth.discovery(url, 'reader', undefined, method, { ...options, algorithm: 'oidc' });
      const said = await oauth.tokenIntrospection(asking, refreshed.access_token);
      expect(said).toMatchObject({ active: true, sub: device.name });
    }
    const wrong = await oauth.discovery(url, 'reader', undefined, oauth.ClientSecretBasic('wrong'), options);
    await expect(oauth.tokenIntrospection(wrong, refreshed.access_token)).rejects.toMatchObject({ status: 401 });
    await oauth.tokenRevocation(client, refreshed.refresh_token!);
    const ended = oauth.refreshTokenGrant(client, refreshed.refresh_token!);
    await expect(ended).rejects.toMatchObject({ error: 'invalid_grant', status: 400 });
  });

  const hasAuthlib = spawnSync('python3', ['-c', 'import authlib, requests']).status === 0;
  describeUnless(hasAuthlib ? [] : ['Authlib for python3'], 'Authlib', () => {
    it('gets a token and introspects it', { timeout }, async () => {
      const args = [resolve('test/support/oauth/authlib_client.py'), server.url, clientId, 'key.pem', reader];
      const { stdout } = await run('python3', args, {
        cwd: folder,
        timeout,
        env: { ...process.env, AUTHLIB_INSECURE_TRANSPORT: '1' },
      });
      const said = JSON.parse(stdout) as { token: string; active: object; refused: unknown };
      expect(subjectOf(said.token)).toBe(device.name);
      expect(said.active).toEqual({ client_secret_basic: true, client_secret_post: true });
      expect(said.refused).toEqual([401, 'invalid_client']);
    });
  });

  const hasNimbus = existsSync(nimbus) && spawnSync('java', ['-version']).status === 0;
  describeUnless(hasNimbus ? [] : ['java and .ci-tools/nimbus'], 'Nimbus', () => {
    it('gets a token and introspects it', { timeout }, async () => {
      const judge = resolve('test/support/oauth/nimbus/OAuthJudge.java');
      const args = ['-cp', join(nimbus, '*'), judge, server.url, clientId, 'key.pem', reader];
      const { stdout } = await run('java', args, { cwd: folder, timeout });
      const [said, token] = stdout.trim().split('\n');
      expect(said).toBe('active active active 401 invalid_client');
      expect(subjectOf(token!)).toBe(device.name);
    });
  });

  describeWith(['verify-access-token'], 'go-oidc', () => {
    it('verifies access tokens by what is published, and no others', { timeout }, async () => {
      const token = device.answer.body.token.accessToken as string;
      const verify = (audience: string, jwt: string) =>
        run('verify-access-token', [server.url, audience, jwt], { timeout });
      expect((await verify('thingward:default', token)).stdout.trim()).toBe(device.name);
      await expect(verify('another', token)).rejects.toMatchObject({ code: 1 });
      await expect(verify('thingward:default', `${token.slice(0, -8)}AAAAAAAA`)).rejects.toMatchObject({ code: 1 });
    });
  });
});
