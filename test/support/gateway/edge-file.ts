import { writeFileSync } from 'node:fs';
import type { EdgeStage } from '../edge/stage.js';
import { freePort } from '../ports.js';

/** Writes the settings of an edge that runs as a program, on a port that stays the same. Returns the file and the port. */
export async function writeEdgeFile(
  stage: Pick<EdgeStage, 'at' | 'server'>,
  name: string,
  { broker, gateway, site = {} }: { broker: string; gateway: object; site?: object },
): Promise<{ file: string; port: number }> {
  const port = await freePort();
  const listener = {
    protocol: 'mqtts',
    host: '127.0.0.1',
    port,
    certFile: stage.at('tls.crt'),
    keyFile: stage.at('tls.key'),
  };
  const settings = {
    server: stage.server.url,
    keyFile: stage.at('edge.key'),
    name,
    stateDir: stage.at(`state-${name}`),
    listeners: [listener],
    upstream: { mqtt: { url: broker } },
    monitor: { host: '127.0.0.1', port: await freePort() },
    gateway,
    site,
  };
  const file = stage.at(`${name}.yaml`);
  writeFileSync(file, JSON.stringify(settings));
  return { file, port };
}
