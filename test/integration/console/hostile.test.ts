import { afterAll, beforeAll, expect, it } from 'vitest';
import { openConsole, type ConsoleStage } from '../../support/console/stage.js';
import { enroll, provision } from '../../support/fleet.js';
import { describeWith } from '../../support/programs.js';

const evil = '"><img src=x onerror="window.harmed=1"><script>window.harmed=1</script>{{7*7}}${7*7}';

const query = (asked: Record<string, string>): string => new URLSearchParams(asked).toString();

/** Every page, and what it shows of the tenant once it is there. */
const pages: [path: string, shows: string][] = [
  ['/', 'Overview'],
  ['/things', 'Things'],
  ['/things/pump-1', '<img src=x'],
  ['/enroll', 'Enrollments'],
  ['/waiting', '<img src=x'],
  ['/certificates', 'Certificates'],
  ['/groups', '<img src=x'],
  ['/groups/evil', '<img src=x'],
  ['/campaigns', 'Renew certificates'],
  ['/segments/hall', '<img src=x'],
  ['/revoke', 'Revoke many'],
  ['/policies/evil', '<img src=x'],
  ['/policies/evil/versions', 'Versions'],
  ['/policies/evil/edit', 'Nothing to say against it.'],
  ['/policies/evil/aws', 'As a policy of AWS IoT'],
  [`/why?${query({ thing: 'pump-1', action: 'publish', resource: `topic:${evil}` })}`, 'deny'],
  ['/decisions', '<img src=x'],
  ['/edges', 'edge-1'],
  ['/issuers', 'Issuing authority'],
  ['/aws', 'Nothing is mirrored'],
  [`/audit?${query({ actor: evil })}`, 'Nothing matches'],
  ['/audit', 'thing.provision'],
  ['/people', '<img src=x'],
  ['/providers', 'Nobody signs in'],
  ['/keys', '<img src=x'],
  ['/settings', 'Ways in'],
  ['/me', 'Where you are signed in'],
];

describeWith(['chromium'], 'a hostile fleet in the console', () => {
  let stage: ConsoleStage;
  beforeAll(async () => {
    stage = await openConsole();
    const { server } = stage;
    const { token } = await enroll(server, { attributes: { note: evil } });
    await provision(server, token, 'pump-1');
    const waiting = await enroll(server, { approval: 'required', deviceAttributes: ['note'] });
    const { answer } = await provision(server, waiting.token, 'pump-2', { attributes: { note: evil } });
    expect(answer.status, answer.text).toBe(202);
    const statements = [
      { id: 'a', effect: 'allow', actions: ['publish'], resources: [`topic:${evil.replaceAll('$', '')}`] },
    ];
    await make(server.owner.post('/v1/policies', { name: 'evil', statements }));
    const segment = { name: 'hall', cidr: '10.0.0.0/8', egressRules: [evil] };
    await make(server.owner.post('/v1/segments', segment));
    const query = { or: [{ type: evil }, { name: '*' }] };
    await make(server.owner.post('/v1/groups', { name: 'evil', query }));
    await make(server.owner.post('/v1/campaigns', { group: 'evil', do: 'renew' }));
    await make(server.owner.post('/v1/api-keys', { name: 'x', description: evil, role: 'proxy' }));
    await make(server.owner.post('/v1/people', { name: evil.slice(0, 60), role: 'auditor' }));
    const edge = await make(server.owner.post('/v1/proxies', { name: 'edge-1', sessions: true }));
    const opened = [
      { id: 's', thingName: 'pump-1', protocol: 'mqtts', clientId: evil, connectedAt: '2026-01-02T03:04:05Z' },
    ];
    await make(server.owner.post(`/v1/proxies/${edge.id}/sessions`, { incarnation: 'i', full: true, opened }));
    const question = { principal: { thingName: 'pump-1' }, action: 'publish', resource: `topic:${evil}` };
    await make(server.owner.post('/v1/authorize', question));
    await server.services.chores.run('write-decisions');
  });
  afterAll(() => stage?.stop());

  const make = async (asked: Promise<{ status: number; text: string; body: { id: string } }>) => {
    const { status, text, body } = await asked;
    expect(status, text).toBeLessThan(300);
    return body;
  };

  for (const [path, shows] of pages)
    it(`shows it as text at ${path.split('?')[0]}`, async () => {
      const { page, open, complaints } = stage;
      await open(path);
      await page.getByText(shows).first().waitFor({ state: 'attached' });
      expect(await page.evaluate('[window.harmed ?? null, document.querySelectorAll("img").length]')).toEqual([
        null,
        0,
      ]);
      expect(complaints).toEqual([]);
    });
});
