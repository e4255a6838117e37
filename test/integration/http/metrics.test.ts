import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { describeWith } from '../../support/programs.js';
import { startServer } from '../../support/server.js';

describeWith(['promtool'], 'metrics', () => {
  it('pass the check of Prometheus itself, and name no account', async () => {
    const server = await startServer('embedded');
    await server.owner.post('/v1/accounts', { name: 'tenant-of-the-metrics' });
    await server.owner.get('/v1/things');
    const metrics = (await server.as(undefined).get('/metrics')).text;
    expect(metrics).toContain('thingward_http_request_duration_seconds_count');
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
      input: metrics,
      encoding: 'utf8',
    });
    expect([status, stdout + stderr]).toEqual([0, '']);
    expect(metrics).not.toContain('tenant-of-the-metrics');
    await server.stop();
  });

  it.each([
    ['alerts fire for figures that are wrong and stay silent for others', 'alerts.test.yml'],
    ['of a recorded outage, alerts say that no questions are answered, and nothing else', 'outage.test.yml'],
  ])('%s', (_title, file) => {
    const { status, stdout, stderr } = spawnSync('promtool', ['test', 'rules', file], {
      cwd: 'deploy/prometheus',
      encoding: 'utf8',
    });
    expect([status, stderr], stdout).toEqual([0, '']);
  });

  it('count decisions and problems, and read what the fleet is like', async () => {
    const server = await startServer('embedded');
    await server.owner.get('/v1/things/nobody');
    await server.owner.post('/v1/authorize', {
      principal: { thingName: 'nobody' },
      action: 'publish',
      resource: 'topic:a',
    });
    expect((await server.as(undefined).get('/crl/bundle.pem')).status).toBe(200);
    await server.services.chores.run('read-figures');
    const metrics = (await server.as(undefined).get('/metrics')).text;
    for (const line of [
      'thingward_problems_total{code="not-found"} 1',
      'thingward_decisions_total{decision="deny",reason="unknown-principal"} 1',
      'thingward_ready 1',
      'thingward_lease_held 1',
      'thingward_lists_refused 0',
      'thingward_certificates_ending{within="7d"} 0',
    ])
      expect(metrics).toContain(`${line}\n`);
    expect(metrics).toMatch(/^thingward_list_end_seconds\{kind="issuing"\} [0-9]/m);
    expect(metrics).toMatch(/^thingward_authority_end_seconds\{kind="root"\} [0-9]/m);
    await server.stop();
  });
});
