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
});
