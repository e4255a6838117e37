import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { createClient } from '../../support/client.js';
import { freshDatabase } from '../../support/databases/databases.js';
import { startCollector } from '../../support/monitoring/otlp.js';
import { until } from '../../support/monitoring/receiver.js';
import { startProgram } from '../../support/program.js';

const ownerKey = `twk_${randomBytes(32).toString('hex')}`;
// Says, when it is asked, how much of OpenTelemetry was loaded.
const asks = `data:text/javascript,${encodeURIComponent(
  "import { createRequire } from 'node:module'; process.on('SIGUSR2', () => console.log('loaded ' + Object.keys(createRequire('file:///').cache).filter((name) => /@opentelemetry.(?!api)/.test(name)).length + ' of it'));",
)}`;

describe('traces', () => {
  const stops: (() => unknown)[] = [];
  afterEach(async () => {
    for (const stop of stops.splice(0).reverse()) await stop();
  });

  const start = async (settings: Record<string, string>) => {
    const database = await freshDatabase('embedded');
    stops.push(database.remove);
    const more = { THINGWARD_OWNER_KEY: ownerKey, NODE_OPTIONS: `--import=${asks}` };
    const program = await startProgram({ ...database.settings, ...more, ...settings });
    stops.push(() => program.kill());
    return program;
  };
  const loadedOf = async (program: Awaited<ReturnType<typeof start>>): Promise<number> => {
    program.process.kill('SIGUSR2');
    return until(() => {
      const said = /loaded (\d+) of it/.exec(program.output());
      return said ? Number(said[1]) + 1 : undefined;
    }).then((count) => count - 1);
  };

  it('are sent by the standard variables: the route of each request, in the trace of whoever asks', async () => {
    const collector = await startCollector();
    stops.push(collector.stop);
    const program = await start({
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_HEADERS: 'x-tenant=works',
      OTEL_SERVICE_NAME: 'gate',
      OTEL_BSP_SCHEDULE_DELAY: '50',
    });
    const [traceId, parentId] = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331'];
    const answer = await fetch(`${program.url}/v1/things/secret-pump?x=secret`, {
      headers: { authorization: `Bearer ${ownerKey}`, traceparent: `00-${traceId}-${parentId}-01` },
    });
    expect(answer.status).toBe(404);
    const named = (name: string) => collector.spans.find((span) => span.name === name);
    const span = await until(() => named('GET /v1/things/:name'));
    expect(span).toMatchObject({
      service: 'gate',
      traceId,
      parentId,
      kind: 2,
      status: 0,
      attributes: {
        'http.request.method': 'GET',
        'http.route': '/v1/things/:name',
        'http.response.status_code': 404,
        'url.scheme': 'http',
        'thingward.request_id': answer.headers.get('x-request-id'),
      },
    });
    expect(span.spanId).toMatch(/^[0-9a-f]{16}$/);
    expect(span.nanoseconds).toBeGreaterThan(0n);
    expect(collector.requests[0]).toMatchObject({ path: '/v1/traces', headers: { 'x-tenant': 'works' } });
    expect(
      JSON.stringify(collector.spans, (_, value: unknown) => (typeof value === 'bigint' ? 0 : value)),
    ).not.toContain('secret');
    expect(await loadedOf(program)).toBeGreaterThan(0);
    // What waits is sent before the end.
    await createClient(program.url, ownerKey).get('/v1/segments');
    expect(await program.kill()).toBe(0);
    expect(named('GET /v1/segments')).toBeDefined();
    expect(program.output()).not.toMatch(/warning|deprecat/i);
  });

  it('are off without them, and then nothing of it is loaded', async () => {
    for (const settings of [{}, { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', OTEL_SDK_DISABLED: 'true' }]) {
      const program = await start(settings);
      expect((await createClient(program.url, ownerKey).get('/v1/things')).status).toBe(200);
      expect(await loadedOf(program)).toBe(0);
    }
  });

  it('a collector that is away keeps nobody waiting, and the program from ending neither', async () => {
    const program = await start({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', OTEL_BSP_SCHEDULE_DELAY: '10' });
    const owner = createClient(program.url, ownerKey);
    for (let n = 0; n < 50; n++) expect((await owner.get('/v1/things')).status).toBe(200);
    expect(await program.kill()).toBe(0);
  });
});
