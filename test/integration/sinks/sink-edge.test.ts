import { readFileSync, writeFileSync } from 'node:fs';
import { stringify } from 'yaml';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createDecider } from '../../../src/edge/decider/decider.js';
import { checkEdge } from '../../../src/edge/proxy/check.js';
import { createEdge } from '../../../src/edge/proxy/create-edge.js';
import { openEdge } from '../../../src/edge/proxy/edge.js';
import { createTroubles } from '../../../src/edge/proxy/troubles.js';
import { readSettings } from '../../../src/edge/settings/config.js';
import { startMosquitto, type Listener } from '../../support/edge/brokers.js';
import { createEdgeStage, type EdgeStage } from '../../support/edge/stage.js';
import { drained, numbered, openTestSinks } from '../../support/gateway/sink-stage.js';
import { freePort } from '../../support/ports.js';
import { describeWith } from '../../support/programs.js';

describeWith(['openssl', 'mosquitto'], 'the sinks of an edge', () => {
  let stage: EdgeStage;
  let broker: Listener;

  beforeAll(async () => {
    stage = await createEdgeStage();
    broker = await startMosquitto();
    writeFileSync(stage.at('secret'), 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD');
  });
  afterAll(async () => {
    await broker?.stop();
    await stage?.stop();
  });

  const settings = (monitor: number) => ({
    server: stage.server.url,
    keyFile: stage.at('edge.key'),
    name: 'with-sinks',
    stateDir: stage.at('with-sinks'),
    listeners: [{ protocol: 'http' as const, host: '127.0.0.1', port: 0 }],
    upstream: { http: { url: stage.serviceUrl }, mqtt: { url: `mqtt://127.0.0.1:${broker.port}` } },
    gateway: {
      sinks: {
        cloud: { kind: 'mqtt' as const, url: `mqtt://127.0.0.1:${broker.port}` },
        lake: { kind: 'https' as const, url: 'http://127.0.0.1:1/x', secretFile: stage.at('secret') },
      },
    },
    monitor: { port: monitor },
  });

  it('lose nothing because the clock of the machine jumps ahead', async () => {
    const given = { ...settings(await freePort()), name: 'jumping', stateDir: stage.at('jumping') };
    const config = readSettings(given, process.cwd(), () => 'the settings');
    const before = await openTestSinks(given.stateDir, { lake: given.gateway.sinks.lake });
    await before.sinks.put('lake', numbered(1));
    await before.sinks.close();
    const tell = { info: () => {}, warn: () => {}, error: () => {} };
    const troubles = createTroubles(tell, () => performance.now());
    const key = readFileSync(given.keyFile, 'utf8').trim();
    const { server, name, stateDir } = config;
    const decider = await createDecider({ server, key, name, stateDir, sessions: true, onError: troubles.failed });
    const machineNow = (): number => Date.now() + 30 * 86_400_000;
    const edge = await openEdge({ config, decider, tell, troubles, machineNow });
    // It tries to deliver, and so it has read its queue.
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const figures = await (await fetch(`http://127.0.0.1:${given.monitor.port}/metrics`)).text();
    await edge.close();
    expect(figures).toContain('thingward_edge_sink_kept{sink="lake"} 1');
    expect(figures).toContain('thingward_edge_sink_dropped_total{sink="lake"} 0');
  });

  it('open with it, deliver what was kept, and are in its figures and its log', async () => {
    const monitor = await freePort();
    const given = settings(monitor);
    // Kept before, by an edge that was killed.
    const before = await openTestSinks(given.stateDir, {
      cloud: { kind: 'mqtt', url: 'mqtt://127.0.0.1:1' },
      lake: given.gateway.sinks.lake,
    });
    await before.sinks.put('cloud', numbered(1));
    await before.sinks.put('lake', numbered(2));
    await before.sinks.close();

    const lines: string[] = [];
    const say = (fields: object, message: string): void => void lines.push(`${message} ${JSON.stringify(fields)}`);
    const edge = await createEdge({ ...given, tell: { info: say, warn: say, error: say } });
    const figures = async (): Promise<string> => (await fetch(`http://127.0.0.1:${monitor}/metrics`)).text();
    try {
      for (;;) {
        const text = await figures();
        if (
          text.includes('thingward_edge_sink_delivered_total{sink="cloud"} 1') &&
          lines.some((line) => line.includes('"sink":"lake"'))
        )
          break;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      const text = await figures();
      for (const figure of [
        'kept{sink="lake"} 1',
        'connected{sink="cloud"} 1',
        'kept{sink="upstream"} 0',
        'refused_total{sink="lake"} 0',
      ])
        expect(text).toContain(`thingward_edge_sink_${figure}`);
      expect(
        /thingward_edge_sink_oldest_seconds\{sink="lake"\} 0\.\d|thingward_edge_sink_oldest_seconds\{sink="lake"\} [1-9]/.test(
          text,
        ),
      ).toBe(true);
      expect(lines.join('\n')).toMatch(/a sink does not accept messages: they are kept .*"sink":"lake".*ECONNREFUSED/);
      writeFileSync(stage.at('secret'), 'nonsense');
      edge.reload();
      expect(lines.join('\n')).toContain('this cannot be used: the old one stays');
    } finally {
      writeFileSync(stage.at('secret'), 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD');
      await edge.close();
    }
    const after = await openTestSinks(given.stateDir, { cloud: given.gateway.sinks.cloud });
    expect(await drained(after.sinks, 'cloud')).toMatchObject({ delivered: 0 });
    expect(after.heard.forgotten).toEqual(['lake']);
    await after.sinks.close();
  });

  it('are tried by edge check', async () => {
    const file = stage.at('edge-with-sinks.yaml');
    writeFileSync(file, stringify(settings(0)));
    const steps: string[] = [];
    const say = {
      step: (holds: boolean, what: string) => void steps.push(`${holds} ${what}`),
      line: (text: string) => void steps.push(text),
    };
    expect(await checkEdge(file, { say, fetch, machineNow: Date.now })).toBe(1);
    expect(steps).toContain(`true gateway.sinks.cloud: mqtt://127.0.0.1:${broker.port} lets the edge in`);
    expect(steps.join('\n')).toMatch(/^false gateway\.sinks\.lake: .*ECONNREFUSED/m);
  });

  it('are refused where their settings contradict each other', async () => {
    const { gateway, ...rest } = settings(0);
    const wrong = (sink: object): Promise<unknown> =>
      createEdge({ ...rest, gateway: { sinks: { ...gateway.sinks, wrong: sink } } } as never);
    const cases: [object, string][] = [
      [
        { kind: 'mqtt', url: 'mqtts://a.example', certFile: 'x' },
        'gateway.sinks.wrong.certFile: needs certFile and keyFile together',
      ],
      [
        { kind: 'mqtt', url: 'mqtts://a.example', passwordFile: 'x' },
        'gateway.sinks.wrong.passwordFile: needs a username',
      ],
      [{ kind: 'https', url: 'http://a.example', secretFile: 'x' }, 'gateway.sinks.wrong.url: must be https'],
      [{ kind: 'ftp' }, 'must be mqtt, https, nats or kafka'],
      [
        { kind: 'mqtt', url: 'mqtts://a.example', colour: 'red' },
        'gateway.sinks.wrong.colour: is not a setting of an edge',
      ],
      [{ kind: 'mqtt', url: 'mqtts://a.example', caFile: '/no/such/file' }, '/no/such/file cannot be read'],
    ];
    for (const [sink, words] of cases) await expect(wrong(sink), words).rejects.toThrow(words);
  });
});
