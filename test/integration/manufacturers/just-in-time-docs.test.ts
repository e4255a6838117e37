import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openEstStage, type EstStage } from '../../support/est/stage.js';
import { describeWith } from '../../support/programs.js';
import { runShell, userFolder } from '../../support/shell.js';

const text = readFileSync('docs/just-in-time.md', 'utf8');
const documented = (mark: string): string => text.split(`<!-- test: ${mark} -->`)[1]!.split('```')[1]!.slice(3);

describeWith(['openssl', 'curl'], 'docs/just-in-time.md', () => {
  let stage: EstStage;
  let folder: ReturnType<typeof userFolder>;
  beforeAll(async () => {
    stage = await openEstStage('embedded');
    folder = userFolder();
    copyFileSync(stage.at('tls.crt'), join(folder.path, 'tls.crt'));
  });
  afterAll(async () => {
    await stage.stop();
    folder.remove();
  });

  const run = async (script: string): Promise<string> => {
    const { server, url } = stage;
    const env = { THINGWARD_URL: server.url, THINGWARD_OWNER_KEY: server.ownerKey, EST: url };
    const { code, output } = await runShell(script, folder.path, env);
    expect(code, output).toBe(0);
    return output;
  };
  const thing = async () => (await stage.server.owner.get('/v1/things/meter-A17')).body;

  it('registers an authority, and enrolls its device by TLS', async () => {
    await run(`${documented('register')}\necho $ENROLLMENT > id\n${documented('est')}`);
    expect(await thing()).toMatchObject({ status: 'active' });
    expect(await run('openssl x509 -in own.crt -noout -subject')).toContain('CN = meter-A17');
  });

  it('says how a list is uploaded', async () => {
    const list =
      'touch index.txt; echo 1000 > number; printf "[ca]\\ndefault_ca=o\\n[o]\\ndatabase=index.txt\\ncrlnumber=number\\ndefault_md=sha256\\n" > ca.cnf\n' +
      'openssl ca -gencrl -config ca.cnf -cert ca.pem -keyfile ca.key -crldays 30 -out list.pem 2> list.log';
    expect(await run(`ENROLLMENT=$(cat id)\n${list}\n${documented('crl')}`)).toContain('"revoked":0');
  });

  it('says how the agent does it', async () => {
    await stage.server.owner.send('DELETE', '/v1/things/meter-A17');
    const another = documented('register').replaceAll('A17', 'A18');
    const output = await run(`${another}\n${documented('agent')}\n${documented('agent')}`);
    expect(output).toContain('meter-A18 of default holds certificate');
  });
});
