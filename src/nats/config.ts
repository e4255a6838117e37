import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { readYaml } from '../edge/settings/config-file.js';
import { readShape, readTextFile, serverFindings } from '../edge/settings/config.js';
import { duration, isBare, text, url } from '../edge/settings/members.js';

const file = z.strictObject({
  server: url(['https', 'http']).refine(isBare, 'must have no path'),
  keyFile: text,
  timeout: duration(100, 30_000).default(1500),
  nats: z.strictObject({
    url: url(['nats', 'tls']),
    username: text,
    passwordFile: text,
    caFile: text.optional(),
    /** The account that devices are put into. */
    account: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be the name of an account of NATS'),
    issuerSeedFile: text,
  }),
});

/** What the callout is told by its file, with the secrets that the file names. */
export type NatsConfig = Omit<z.output<typeof file>, 'keyFile' | 'nats'> & {
  key: string;
  nats: { url: string; username: string; password: string; ca: string | undefined; account: string; seed: string };
};

/** Reads the settings of the callout. Paths in them start at the folder of the file. @throws EdgeConfigError that names each line that is wrong */
export function loadNatsConfig(path: string): NatsConfig {
  const { given, placeOf } = readYaml(readTextFile(path, 'the settings'), path);
  const read = readShape(file, given, placeOf, {
    of: 'a callout of NATS',
    contradictions: ({ server }) => serverFindings(server),
  });
  const folder = dirname(resolve(path));
  const secret = (name: string, what: string): string => readTextFile(resolve(folder, name), what).trim();
  const { url: address, username, passwordFile, caFile, account, issuerSeedFile } = read.nats;
  return {
    server: read.server,
    timeout: read.timeout,
    key: secret(read.keyFile, 'the API key'),
    nats: {
      url: address,
      username,
      account,
      password: secret(passwordFile, 'the password'),
      ca: caFile === undefined ? undefined : secret(caFile, 'the authorities'),
      seed: secret(issuerSeedFile, 'the seed of the issuer'),
    },
  };
}
