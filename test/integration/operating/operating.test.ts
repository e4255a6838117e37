import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { expect, it } from 'vitest';
import { startProgram } from '../../support/program.js';
import { describeWith } from '../../support/programs.js';
import { runShell, userFolder } from '../../support/shell.js';

const openTo = (path: string) => statSync(path).mode & 0o077;

describeWith(['openssl'], 'files of the server', () => {
  it('makes a folder private that was there before, and reads TLS certificates again on SIGHUP', async () => {
    const user = userFolder();
    const data = join(user.path, 'data');
    mkdirSync(data, { mode: 0o755 });
    const make = (name: string) =>
      runShell(
        `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k.new -out c.new -days 9 -subj /CN=${name}
         cat c.new > tls.pem; cat k.new > tls.key; chmod 644 tls.key`,
        user.path,
      );
    await make('first');
    const program = await startProgram({
      THINGWARD_DATA_DIR: data,
      THINGWARD_TLS_CERT_FILE: join(user.path, 'tls.pem'),
      THINGWARD_TLS_KEY_FILE: join(user.path, 'tls.key'),
    });
    const subject = () =>
      new Promise<string>((resolve, reject) => {
        const socket = connect({ port: Number(new URL(program.url).port), rejectUnauthorized: false }, () => {
          resolve(String(socket.getPeerCertificate().subject.CN));
          socket.destroy();
        }).on('error', reject);
      });
    const until = async (wanted: () => Promise<boolean>): Promise<void> => {
      for (let attempt = 0; attempt < 300 && !(await wanted()); attempt++)
        await new Promise((resolve) => setTimeout(resolve, 100));
      expect(await wanted()).toBe(true);
    };
    expect(openTo(data)).toBe(0);
    expect(await subject()).toBe('first');
    await until(async () => program.output().includes('every user of this machine can read'));
    writeFileSync(join(user.path, 'tls.pem'), 'broken');
    program.process.kill('SIGHUP');
    await until(async () => program.output().includes('the old one stays'));
    expect(await subject()).toBe('first');
    await make('second');
    program.process.kill('SIGHUP');
    await until(async () => (await subject()) === 'second');
    // Without a signal too.
    await make('third');
    await until(async () => (await subject()) === 'third');
    expect(await program.kill('SIGTERM')).toBe(0);
    const names = readdirSync(data, { recursive: true, encoding: 'utf8' });
    expect(names.filter((name) => openTo(join(data, name)) !== 0)).toEqual([]);
    user.remove();
  });
});
