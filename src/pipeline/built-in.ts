/** The pipelines that every account can read, activate and copy, as one writes them. */
export const builtInPipelines: readonly { name: string; [member: string]: unknown }[] = [
  {
    name: 'sensor',
    match: { types: ['sensor'], topics: ['${account}/+/telemetry/#'] },
    decode: 'json',
    time: '$.ts',
    values: { temp: '$.t', hum: '$.h' },
    steps: [
      { outliers: 'hampel', window: 11 },
      { smooth: 'ewma', alpha: 0.3 },
      { window: { last: 100 }, emit: ['mean', 'min', 'max', 'stddev', 'p95', 'count'] },
      { anomaly: 'z', points: 10, as: 'score' },
      { threshold: 'temp', max: 80, severity: 'critical' },
      { batch: { size: 100, seconds: 60 } },
    ],
    now: [{ severity: 'critical' }, { score: { over: 0.8 } }],
    to: ['upstream'],
  },
  {
    name: 'camera',
    match: { types: ['camera'], topics: ['${account}/+/telemetry/#'] },
    decode: 'json',
    values: { objects: '$.objects', confidence: '$.confidence', motion: '$.motion' },
    steps: [{ anomaly: 'z', points: 10, as: 'score', of: ['objects'] }, { batch: { size: 10, seconds: 60 } }],
    now: [{ score: { over: 0.8 } }],
    to: ['upstream'],
  },
  {
    name: 'actuator',
    match: { types: ['actuator'], topics: ['${account}/+/telemetry/#'] },
    decode: 'json',
    values: { position: '$.position', state: '$.state' },
    steps: [
      {
        validate: {
          type: 'object',
          properties: { position: { type: 'number' }, state: { type: 'string', maxLength: 64 } },
        },
      },
      { anomaly: 'z', points: 10, as: 'score', of: ['position'] },
    ],
    to: ['upstream'],
  },
];
