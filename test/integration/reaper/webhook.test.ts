import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWith } from '../../support/programs.js';
import { createReaperStage, eventually, type ReaperStage } from '../../support/reaper/stage.js';

type Got = { id: string; at: string; signature: string; body: string; answered: number };

const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;

/** As a receiver checks it that knows the secret alone. */
const isSigned = ({ id, at, signature, body }: Got): boolean =>
  signature === `v1,${createHmac('sha256', Buffer.alloc(32, 7)).update(`${id}.${at}.${body}`).digest('base64')}`;

describeWith(['openssl'], 'the reaper at a system of somebody else', () => {
  let stage: ReaperStage;
  const got: Got[] = [];
  let failures = 0;
  const receiver = createServer((request, response) => {
    let body = '';
    request.on('data', (octets: Buffer) => (body += octets.toString()));
    request.on('end', () => {
      const { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': signature } = request.headers;
      const answered = failures > 0 ? 503 : 204;
      failures = Math.max(0, failures - 1);
      got.push({ id: String(id), at: String(at), signature: String(signature), body, answered });
      response.writeHead(answered).end();
    });
  });
  const told = (type: string, user: string): Got[] =>
    got.filter(({ body }) => {
      const { type: said, data } = JSON.parse(body) as { type: string; data: { user?: string } };
      return said === type && data.user === user;
    });

  beforeAll(async () => {
    stage = await createReaperStage();
    receiver.listen(0, '127.0.0.1');
    await once(receiver, 'listening');
  });
  afterAll(async () => {
    await stage?.stop();
    receiver.closeAllConnections();
    receiver.close();
  });

  it('tells who has to leave, again until it is taken, and confirms only then', async () => {
    await stage.device('pump-1');
    const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
    const file = stage.settingsOf('berlin', [{ name: 'own', kind: 'webhook', url, secretEnv: 'S', validity: '1s' }]);
    const reaper = await stage.startReaper(file, { S: secret });
    await eventually(
      () => stage.brokersOf(reaper),
      ({ own }) => own === 'enforcing',
    );
    failures = 3;
    const { position } = (await stage.must(
      stage.server.owner.post('/v1/things/pump-1/revoke', { reason: 'keyCompromise' }),
    )) as { position: number };
    await eventually(
      () => stage.enforcedBy(position),
      (edges) => edges.has('berlin.own'),
    );
    expect(got.every(isSigned)).toBe(true);
    expect(got.filter(({ answered }) => answered === 503)).toHaveLength(3);
    const taken = told('sessions.end', 'pump-1').filter(({ answered }) => answered === 204);
    expect(taken.length).toBeGreaterThan(1);
    expect(told('user.barred', 'pump-1').length).toBeGreaterThan(0);
    expect(new Set(got.map(({ id }) => id)).size).toBe(got.length);
    expect(stage.lines.some((line) => line.includes('told to end all sessions'))).toBe(true);
  });
});
