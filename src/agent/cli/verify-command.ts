import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { exitCodesText, print, readText } from './command-shape.js';
import { AgentError, UsageError } from '../errors.js';
import type { Verified } from '../publish/verify-batch.js';

type Flags = { cert: string; jws?: string; json?: true };

/** `thingward agent verify-batch`. */
export function verifyCommand(): Command {
  return new Command('verify-batch')
    .description('say whether the key of a certificate signed a batch')
    .argument('<file>', 'the payload of the batch, as it was published')
    .requiredOption('--cert <file>', 'the certificate of the device (PEM)')
    .option('--jws <file>', 'the signature; by default the name of the file with .jws at its end')
    .option('--json', 'print JSON, and failures as JSON too')
    .addHelpText('after', `${exitCodesText}\nExample:\n  thingward agent verify-batch batch.gz --cert pump-17.crt`)
    .action(verifyNow);
}

async function verifyNow(file: string, flags: Flags): Promise<void> {
  const { verifyBatch } = await import('../publish/verify-batch.js');
  const [jws, pem] = [readText(flags.jws ?? `${file}.jws`).trim(), readText(flags.cert)];
  const verified = wrapped(file, flags, () => verifyBatch(readOctets(file), jws, pem));
  const { id, thing, signedAt, messages } = verified;
  print(flags, verified, `${file} is batch ${id} of ${thing}, signed at ${signedAt}: ${messages} messages`);
}

function wrapped(file: string, { json }: Flags, verify: () => Verified): Verified {
  try {
    return verify();
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const text = `${file} is not to be believed: ${(error as Error).message}`;
    throw new AgentError(json ? JSON.stringify({ error: text, later: false }) : text);
  }
}

function readOctets(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new UsageError(`${file} cannot be read (${(error as Error).message}): name another file`);
  }
}
