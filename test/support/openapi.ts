import { stringify } from 'yaml';
import { buildApp } from '../../src/app.js';
import { systemClock } from '../../src/clock.js';
import { loadConfig } from '../../src/config.js';
import type { Services } from '../../src/services.js';

/** openapi.yaml, from the schemas of the routes. The routes are mounted and never called, so there is nothing behind them. */
export async function describeApi(): Promise<string> {
  const verbs = new Proxy({}, { get: () => () => undefined });
  const services = new Proxy({}, { get: () => verbs }) as Services;
  const app = await buildApp({ config: loadConfig({}), services, clock: systemClock, checkReady: async () => {} });
  await app.ready();
  // Many readers still read YAML 1.1, to which off is a boolean and a date is no text: such words are quoted.
  const options = { version: '1.1', lineWidth: 120, aliasDuplicateObjects: false } as const;
  return stringify(JSON.parse(JSON.stringify(app.swagger())), options);
}
