import { SMTPServer } from 'smtp-server';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { problemOf } from '../../support/client.js';
import { until } from '../../support/monitoring/receiver.js';
import { startServer, type TestServer } from '../../support/server.js';

type Mail = { from: string; to: string[]; text: string };

/** Header lines and text, as a reader of mail joins what was broken for the way. */
const unfolded = (text: string): string => text.replace(/=\r\n/g, '').replace(/=3D/g, '=');

describe('mail', () => {
  const mails: Mail[] = [];
  let refuse = false;
  let smtp: SMTPServer;
  let server: TestServer;

  beforeAll(async () => {
    smtp = new SMTPServer({
      authOptional: true,
      disabledCommands: ['STARTTLS'],
      onRcptTo: (_address, _session, done) =>
        done(refuse ? Object.assign(new Error('nobody of this name'), { responseCode: 550 }) : null),
      onData(stream, { envelope }, done) {
        const chunks: Buffer[] = [];
        stream.on('data', (chunk: Buffer) => chunks.push(chunk));
        stream.on('end', () => {
          const from = envelope.mailFrom === false ? '' : envelope.mailFrom.address;
          const to = envelope.rcptTo.map(({ address }) => address);
          mails.push({ from, to, text: unfolded(Buffer.concat(chunks).toString('utf8')) });
          done(null, 'kept as 1');
        });
      },
    });
    await new Promise<void>((resolve) => smtp.listen(0, '127.0.0.1', resolve));
    const { port } = smtp.server.address() as AddressInfo;
    server = await startServer('embedded', {
      THINGWARD_SMTP_URL: `smtp://127.0.0.1:${port}`,
      THINGWARD_SMTP_FROM: 'Thingward <alerts@thingward.example>',
    });
  });
  afterAll(async () => {
    await server.stop();
    await new Promise<void>((resolve) => smtp.close(() => resolve()));
  });

  it('a channel mails alerts, and a test says what the mail server answered', async () => {
    const request = { name: 'mail', type: 'email', to: ['ops@example.com', 'boss@example.com'] };
    const made = await server.owner.post('/v1/alerts/channels', request);
    expect(made.body).toMatchObject({ type: 'email', to: request.to });
    const test = (await server.owner.post(`/v1/alerts/channels/${made.body.id}/test`)).body;
    expect(test).toEqual({ delivered: true, answer: expect.stringContaining('kept as 1') });
    expect(mails[0]).toMatchObject({ from: 'alerts@thingward.example', to: request.to });
    expect(mails[0]!.text).toContain('Subject: [test] A test');
    const rule = { metric: 'devices.waiting', condition: 'equals', threshold: 0, severity: 'info' };
    await server.owner.post('/v1/alerts/rules', { name: 'nobody waits', ...rule, channels: [made.body.id] });
    await server.services.chores.run('read-account-figures');
    await server.services.chores.run('evaluate-alerts');
    const mail = await until(
      () => mails[1],
      () => server.services.chores.run('deliver'),
    );
    expect(mail.text).toContain('Subject: [info] nobody waits');
    expect(mail.text).toContain('metric: devices.waiting');
    refuse = true;
    const refused = (await server.owner.post(`/v1/alerts/channels/${made.body.id}/test`)).body;
    expect(refused).toEqual({ delivered: false, answer: expect.stringContaining('nobody of this name') });
    refuse = false;
  });

  it('mails the links of people, whose answers have them too', async () => {
    mails.length = 0;
    const invited = await server.owner.post('/v1/people', { name: 'Ada', email: 'ada@example.com', role: 'operator' });
    expect(invited.body.mailed).toBe(true);
    expect(mails[0]!.to).toEqual(['ada@example.com']);
    expect(mails[0]!.text).toContain(invited.body.link);
    const again = await server.owner.post(`/v1/people/${invited.body.person.id}/link`);
    expect(again.body.mailed).toBe(true);
    expect(mails[1]!.text).toContain(again.body.link);
    const silent = await server.owner.post('/v1/people', { name: 'Bob', role: 'operator' });
    expect(silent.body).not.toHaveProperty('mailed');
    refuse = true;
    const unmailed = await server.owner.post(`/v1/people/${invited.body.person.id}/link`);
    expect(unmailed.body).toMatchObject({ mailed: false, link: expect.stringContaining('#twl_') });
    expect(mails).toHaveLength(2);
  });

  it('nobody writes headers or files into a mail', async () => {
    for (const to of ['a@b.example\r\nBcc: c@d.example', 'a@b.example, c@d.example', 'a@b.example>'])
      expect(problemOf(await server.owner.post('/v1/alerts/channels', { name: 'x', type: 'email', to: [to] }))).toBe(
        'invalid-request',
      );
  });
});
