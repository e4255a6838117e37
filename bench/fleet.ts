import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { loadConfig } from '../src/config.js';
import { systemOrigin } from '../src/origin.js';
import { toRegisteredThing } from '../src/registry.js';
import { openResources } from '../src/resources.js';

export type Known = { name: string; fingerprint: string; token: string };

/** Things `from` to `to`, each with a certificate row, written straight into the database: authorize reads rows, not DER. */
export async function registerThings(url: string, from: number, to: number): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ id: string }>(
      `SELECT id FROM issuers WHERE account_name = 'default' AND kind = 'issuing'`,
    );
    await client.query(
      `INSERT INTO enrollments (id, account_name, token_hash, policies, thing_name_pattern, max_uses, source_cidrs, attributes, device_attributes, created_at, created_by)
      VALUES ('00000000-0000-4000-8000-000000000001', 'default', $1, '{sensor}', '*', 1, '{}', '{}', '{}', now(), 'bench') ON CONFLICT DO NOTHING`,
      [randomBytes(32)],
    );
    for (let first = from; first <= to; first += 50_000) {
      const range = `generate_series(${first}, ${Math.min(to, first + 49_999)}) AS n`;
      await client.query(`INSERT INTO things (id, account_name, name, attributes, policies, enrollment_id, created_at)
        SELECT md5('thing' || n)::uuid, 'default', 'thing-' || n, '{"site":"berlin"}', '{sensor,actuator,camera}', '00000000-0000-4000-8000-000000000001', now() FROM ${range}`);
      await client.query(`INSERT INTO thing_keys (account_name, spki_sha256, thing_id)
        SELECT 'default', sha256(('key' || n)::bytea), md5('thing' || n)::uuid FROM ${range}`);
      await client.query(`INSERT INTO certificates (serial_number, account_name, thing_id, issuer_id, issuer_index, fingerprint, spki_sha256, der, not_before, not_after, created_at)
        SELECT '01' || substr(encode(sha256(('serial' || n)::bytea), 'hex'), 1, 38), 'default', md5('thing' || n)::uuid, '${rows[0]!.id}', 1000000000 + n,
          encode(sha256(('der' || n)::bytea), 'hex'), sha256(('key' || n)::bytea), ('der' || n)::bytea, now() - interval '1 hour', now() + interval '90 days', now() FROM ${range}`);
    }
    await client.query('ANALYZE');
  } finally {
    await client.end();
  }
}

/** Access tokens of registered things, signed by the server's own key. */
export async function tokensOf(settings: Record<string, string>, from: number, to: number): Promise<Known[]> {
  const { services, database, close } = await openResources(loadConfig(settings));
  try {
    const rows = await database.client.certificate.findMany({
      where: { thing: { name: { in: Array.from({ length: to - from + 1 }, (_, n) => `thing-${from + n}`) } } },
      include: { thing: true },
    });
    return rows.map(({ thing, ...certificate }) => {
      const { accessToken } = services.tokens.first(
        toRegisteredThing(thing),
        certificate,
        '00000000-0000-4000-8000-000000000000',
      );
      return { name: thing.name, fingerprint: certificate.fingerprint, token: accessToken };
    });
  } finally {
    await close();
  }
}

/** Access tokens of things by their names, signed by the server's own key, that end at a moment. */
export async function signTokens(
  settings: Record<string, string>,
  names: string[],
  at: Date,
): Promise<Map<string, string>> {
  const { services, database, close } = await openResources(loadConfig(settings));
  try {
    const rows = await database.client.certificate.findMany({
      where: { thing: { name: { in: names } } },
      include: { thing: true },
    });
    return new Map(
      rows.map(({ thing, ...certificate }) => {
        const bound = { ...certificate, notAfter: at };
        const { accessToken } = services.tokens.first(
          toRegisteredThing(thing),
          bound,
          '00000000-0000-4000-8000-000000000000',
        );
        return [thing.name, accessToken];
      }),
    );
  } finally {
    await close();
  }
}

/** Makes the account and the key that asks. */
export async function prepareAccount(settings: Record<string, string>): Promise<string> {
  const { services, close } = await openResources(loadConfig(settings));
  try {
    const { ownerKey } = await services.accounts.create({ name: 'default' }, systemOrigin);
    return ownerKey;
  } finally {
    await close();
  }
}
