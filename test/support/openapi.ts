import { stringify } from 'yaml';
import { buildApp } from '../../src/app.js';
import { awsTuning } from '../../src/aws/client/tuning.js';
import { createStopwatch, systemClock } from '../../src/clock.js';
import { loadConfig } from '../../src/config.js';
import type { Database } from '../../src/db/client.js';
import { createSealer } from '../../src/sealing.js';
import { createServices } from '../../src/services.js';

const config = loadConfig({});

/** The rooms, opened and never started: there is no database behind them. */
export function openRooms() {
  const nobody = () => {};
  return createServices({
    config,
    db: {} as Database,
    sealer: createSealer(Buffer.alloc(32)),
    clock: systemClock,
    stopwatch: createStopwatch,
    tell: { info: nobody, warn: nobody, error: nobody },
    onError: nobody,
    aws: awsTuning,
  });
}

/** openapi.yaml, from the schemas of the routes. */
export async function describeApi(): Promise<string> {
  const app = await buildApp({ config, services: openRooms(), clock: systemClock });
  await app.ready();
  // Many readers still read YAML 1.1, to which off is a boolean and a date is no text: such words are quoted.
  const options = { version: '1.1', lineWidth: 120, aliasDuplicateObjects: false } as const;
  return stringify(JSON.parse(JSON.stringify(app.swagger())), options);
}

const samples: Record<string, string> = {
  '{account}': 'default',
  '{name}': 'nobody',
  '{id}': '00000000-0000-4000-8000-000000000000',
  '{provider}': '00000000-0000-4000-8000-000000000000',
  '{serialNumber}': '01'.repeat(20),
  '{issuerId}': '0'.repeat(16),
  '{shard}': '1',
  '{position}': '1',
  '{version}': '1',
  '{delivery}': '1',
  '{thingName}': 'nobody',
};

/** A path with something in the place of each parameter. */
export const samplePath = (route: string): string => route.replace(/\{\w+\}/g, (name) => samples[name]!);
