import { Command } from 'commander';
import { systemClock } from '../clock.js';
import { withoutSlashes } from '../settings/settings.js';

type Flags = { account: string; key?: string; previous?: string[] };

/** The `thingward revocation` commands. */
export function observerCommand(): Command {
  const verify = new Command('verify')
    .description('check a server from outside: are its lists and OCSP answers signed and fresh, and do they agree?')
    .argument('<url>', 'the server, such as https://things.example.com')
    .option('--account <name>', 'whose lists', 'default')
    .option('--key <twk_...>', 'an API key with revocations:read: the feed is compared with the lists too')
    .option('--previous <file...>', 'earlier lists (PEM) or signed snapshots: is what they name still revoked?')
    .addHelpText(
      'after',
      '\nThe exit code is 1 if there is a finding.\n\nExamples:\n  thingward revocation verify https://things.example.com\n  thingward revocation verify https://things.example.com --account acme --key twk_...\n  thingward revocation verify https://things.example.com --previous bundle.pem snapshot.jws',
    )
    .action(runVerify);
  return new Command('revocation').description('check what a server says about revocation').addCommand(verify);
}

async function runVerify(url: string, { account, key, previous = [] }: Flags): Promise<void> {
  const { verifyRevocation } = await import('./verify.js');
  const { readPrevious } = await import('./previous.js');
  let checks = 0;
  const findings = await verifyRevocation({
    url: withoutSlashes(url),
    account,
    key,
    clock: systemClock,
    previous: previous.map(readPrevious),
    report(holds, what) {
      checks++;
      process.stdout.write(`${holds ? 'ok ' : 'BAD'}  ${what}\n`);
    },
  });
  process.stdout.write(`\n${checks} checks, ${findings} findings\n`);
  if (findings > 0) process.exitCode = 1;
}
