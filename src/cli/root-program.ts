import { Command, Option } from 'commander';
import type { ExportFlags } from './root-commands.js';

const config = async () => (await import('../config.js')).loadConfig();
const commands = () => import('./root-commands.js');

const passphrase = () =>
  new Option('--passphrase-file <file>', 'a file with the passphrase of the root in it').makeOptionMandatory();
const out = (what: string) =>
  new Option('--out <file>', `where ${what} goes; must not be there yet`).makeOptionMandatory();
const days = () => new Option('--days <days>', 'how long the list is valid').default('400');

type Sealed = { passphraseFile: string; out: string };

/** The commands of a root whose key is elsewhere. */
export function rootCommands(): Command[] {
  return [
    new Command('export-root')
      .description('move the key of a root out of the database, into a file under a passphrase')
      .argument('[account]', 'the account', 'default')
      .addOption(out('the root'))
      .addOption(passphrase())
      .addOption(days())
      .option('-y, --yes', 'do not ask: for scripts, which have no terminal')
      .addHelpText(
        'after',
        '\nExample:\n  thingward export-root acme --out acme-root.json --passphrase-file passphrase',
      )
      .action(async (account: string, flags: ExportFlags) =>
        (await commands()).exportRoot(await config(), account, flags),
      ),
    new Command('import-list')
      .description('take lists of authorities whose key is elsewhere')
      .argument('<file...>', 'lists in PEM or DER')
      .option('--may-drop', 'take a list that no longer names what the one before named')
      .addHelpText('after', '\nExample:\n  thingward import-list root-list.pem')
      .action(async (files: string[], flags: { mayDrop?: true }) =>
        (await commands()).importList(await config(), files, flags),
      ),
    new Command('root-list')
      .description('sign the next list of an exported root, where its file is')
      .argument('<root>', 'the file of the root')
      .addOption(out('the list'))
      .addOption(passphrase())
      .addOption(days())
      .option('--after <file>', 'the last list; otherwise the one of the export')
      .addHelpText(
        'after',
        '\nExample:\n  thingward root-list acme-root.json --after last.pem --out next.pem --passphrase-file passphrase',
      )
      .action(async (file: string, flags: Sealed & { days: string; after?: string }) =>
        (await commands()).rootList(file, flags),
      ),
    new Command('root-sign')
      .description('sign the request of an intermediate by an exported root, where its file is')
      .argument('<root>', 'the file of the root')
      .argument('<csr>', 'the request: GET /v1/issuers/{id}/csr')
      .addOption(out('the certificate'))
      .addOption(passphrase())
      .requiredOption('--crl <url>', 'where the list of the root is: crl of GET /v1/issuers/{id of the root}')
      .option('--years <years>', 'how long the certificate is valid', '5')
      .addHelpText(
        'after',
        '\nExample:\n  thingward root-sign acme-root.json ca.csr --crl http://pki.example.com/crl/3f2a9c41b07d5e68.crl --out ca.pem --passphrase-file passphrase',
      )
      .action(async (file: string, csr: string, flags: Sealed & { crl: string; years: string }) =>
        (await commands()).rootSign(file, csr, flags),
      ),
  ];
}
