import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { blockOf } from '../../support/deployment/documented.js';
import { enroll, provision } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';
import { runShell, userFolder } from '../../support/shell.js';

const paper = readFileSync('docs/cli.md', 'utf8');
const user = userFolder();
let server: TestServer;

beforeAll(async () => {
  server = await startServer('embedded');
  const { token } = await enroll(server, { policy: 'sensor' });
  for (const name of ['pump-17', 'pump-18', 'pump-19'])
    expect((await provision(server, token, name)).answer.status).toBe(201);
  writeFileSync(join(user.path, 'key.txt'), `${server.ownerKey}\n`);
  writeFileSync(join(user.path, 'cases.yaml'), blockOf('cases', paper));
  writeFileSync(join(user.path, 'pumps.yaml'), blockOf('groups', paper));
});
afterAll(async () => {
  await server.stop();
  user.remove();
});

/** Runs a block as it stands in the paper, as somebody who installed the program. */
async function run(name: string): Promise<string> {
  const script = blockOf(name, paper).replaceAll('https://thingward.example.com', server.url);
  const path = `${join(user.path, 'node_modules/.bin')}:${process.env['PATH']}`;
  const { code, output } = await runShell(script, user.path, {
    PATH: path,
    XDG_CONFIG_HOME: join(user.path, 'config'),
  });
  expect(code, output).toBe(0);
  return output;
}

it('the commands of docs/cli.md work, in its order', async () => {
  const marks = [...paper.matchAll(/<!-- test: (\w+) -->/g)].map(([, name]) => name!);
  const outputs = new Map<string, string>();
  for (const name of marks.filter((mark) => !['cases', 'groups'].includes(mark))) outputs.set(name, await run(name));
  const shows = (name: string, ...texts: RegExp[]) => {
    for (const text of texts) expect(outputs.get(name)).toMatch(text);
  };
  shows('login', /^Logged in to http.* as context production\.$/m, /^\* +production +http/m);
  expect(statSync(join(user.path, 'config/thingward/contexts.json')).mode & 0o777).toBe(0o600);
  shows('fleet', /^pump-19 +active/m, /^name: pump-17$/m, /,pump-17,active,/, /^decision +allow$/m, /thing\.suspend/);
  shows('enroll', /thingward agent provision --server http.* --enrollment-file token\.txt --name NAME/, /valve-\*/);
  shows('revoke', /"?count"? +2/, /^2 certificates of 2 things/m, /status +done/, /^status +revoked$/m);
  shows(
    'campaigns',
    /^create group pumps$/m,
    /^1 things, such as pump-\d+$|^\d things, such as pump-/m,
    /^renew on the group pumps$/m,
  );
  shows('campaigns', /^status +paused$/m, /^status +cancelled$/m, /^deleted +true$/m);
  shows('policies', /nothing to change/, /2 of 2 cases are as expected/);
  shows('configuration', /policies in account\/policies/, /nothing to change/);
});
