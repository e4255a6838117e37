import { readFileSync } from 'node:fs';

/** The version in package.json. */
export function programVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** What `thingward version` prints: the program, its time zone data and Node. */
export async function versionText(): Promise<string> {
  // Loaded here, so that no other command waits for it.
  const { zoneDataVersion } = await import('../policy/time/zone.js');
  return `thingward ${programVersion()}\ntime zone data ${zoneDataVersion()}\nNode ${process.versions.node}\n`;
}
