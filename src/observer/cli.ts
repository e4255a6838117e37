import { parseArgs } from 'node:util';
import { systemClock } from '../clock.js';
import { ConfigError } from '../config.js';
import { verifyRevocation } from './verify.js';

const usage = `usage: thingward revocation verify URL [--account NAME] [--key twk_...]

Looks at a server from outside: are its lists and OCSP answers signed, fresh and of one mind?
With a key that has revocations:read, also: is everything that the feed says is revoked in a list?
`;

/** Runs `thingward revocation ...`. Ends with 1 when there is a finding. @throws ConfigError */
export async function runRevocation(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { account: { type: 'string', default: 'default' }, key: { type: 'string' }, help: { type: 'boolean' } },
  });
  const [verb, url, ...more] = positionals;
  if (values.help) return void process.stdout.write(usage);
  if (verb !== 'verify' || !url || more.length > 0) throw new ConfigError(usage.trimEnd());
  let checks = 0;
  const findings = await verifyRevocation({
    url: url.replace(/\/+$/, ''),
    account: values.account,
    key: values.key,
    clock: systemClock,
    report(holds, what) {
      checks++;
      process.stdout.write(`${holds ? 'ok ' : 'BAD'}  ${what}\n`);
    },
  });
  process.stdout.write(`\n${checks} checks, ${findings} findings\n`);
  if (findings > 0) process.exitCode = 1;
}
