import { cpSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ProxyStage } from './proxies.js';

const root = join(import.meta.dirname, '../../..');
const libraries = join(root, '.ci-tools/hivemq');
const extension = join(root, 'integrations/hivemq/target/thingward');

/** What HiveMQ with its extension needs and this machine does not have. */
export const missingForExtension = (): string[] => [
  ...(existsSync(libraries) ? [] : ['HiveMQ in .ci-tools/hivemq']),
  ...(existsSync(extension) ? [] : ['its extension (mvn -f integrations/hivemq/pom.xml package)']),
];

/** Starts HiveMQ with Thingward's extension below the folder of a stage; `settings` are those of the extension. */
export function startHiveMq(stage: ProxyStage, port: number, settings: string, listeners = plain(port)) {
  const own = stage.at('extensions/thingward');
  for (const folder of [`${own}/conf`, stage.at('conf')]) mkdirSync(folder, { recursive: true });
  cpSync(extension, own, { recursive: true });
  stage.file('extensions/thingward/conf/thingward.properties', settings);
  stage.file(
    'conf/config.xml',
    `<?xml version="1.0"?><hivemq><listeners>${listeners}</listeners>
<persistence><mode>in-memory</mode></persistence>
<anonymous-usage-statistics><enabled>false</enabled></anonymous-usage-statistics></hivemq>`,
  );
  return stage.start(
    'java',
    [`-Dhivemq.home=${stage.at('')}`, '-cp', `${libraries}/*`, 'com.hivemq.HiveMQServer'],
    port,
  );
}

const plain = (port: number): string =>
  `<tcp-listener><port>${port}</port><bind-address>127.0.0.1</bind-address></tcp-listener>`;
