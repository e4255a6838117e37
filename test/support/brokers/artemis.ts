import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runProgram } from '../pki/openssl.js';
import { freePort } from '../ports.js';
import type { ProxyStage } from './proxies.js';

const home = join(import.meta.dirname, '../../../.ci-tools/artemis/apache-artemis-2.40.0');

/** What Artemis needs and this machine does not have. */
export const missingForArtemis = (): string[] => (existsSync(home) ? [] : ['Artemis in .ci-tools/artemis']);

/** Starts Artemis with users that it knows itself, for MQTT and Jolokia alone. */
export async function startArtemis(stage: ProxyStage, users: Record<string, string>) {
  const [port, console] = [await freePort(), await freePort()];
  const own = stage.at('artemis');
  const options = ['--silent', '--user', 'admin', '--password', 'admin', '--require-login', '--no-autotune'];
  const without = ['--no-amqp-acceptor', '--no-stomp-acceptor', '--no-hornetq-acceptor', '--disable-persistence'];
  runProgram(join(home, 'bin/artemis'), ['create', ...options, ...without, '--http-port', String(console), own]);
  const edit = (name: string, change: (text: string) => string) =>
    writeFileSync(join(own, 'etc', name), change(readFileSync(join(own, 'etc', name), 'utf8')));
  edit('broker.xml', (text) =>
    text.replace(/^.*<acceptor name="artemis">.*$/m, '').replace('tcp://0.0.0.0:1883?', `tcp://127.0.0.1:${port}?`),
  );
  const all = { admin: 'admin', ...users };
  edit('artemis-users.properties', () =>
    Object.entries(all)
      .map((pair) => pair.join(' = '))
      .join('\n'),
  );
  edit('artemis-roles.properties', () => `amq = ${Object.keys(all).join(',')}\n`);
  await stage.start(join(own, 'bin/artemis'), ['run'], console);
  return { port, jolokia: `http://127.0.0.1:${console}/console/jolokia` };
}
