import { createHash, randomBytes } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bitmapOf } from '../src/compact/bits.js';
import { deflateBitmap } from '../src/compact/deflate.js';
import { encodeGaps } from '../src/compact/gap-list.js';
import { draftCrl, encodeCrlEntry } from '../src/pki/crl.js';
import { lintCrl, requireNothingDropped, type CrlIndex } from '../src/pki/crl-lint.js';
import { createEntries } from '../src/lists/entries.js';
import { inSlices } from '../src/slices.js';
import { createAuthority } from '../test/support/pki/authority.js';
import { format } from './measure.js';
import { createOpensslCa } from './openssl.js';

const at = new Date('2026-11-21T00:00:00Z');
const window = { thisUpdate: at, nextUpdate: new Date(at.getTime() + 7 * 86_400_000) };
const turns = 5;

/** Milliseconds that work takes: the median of some turns. */
async function milliseconds(work: () => unknown, times = turns): Promise<number> {
  const taken: number[] = [];
  for (let n = 0; n < times; n++) {
    const start = performance.now();
    await work();
    taken.push(performance.now() - start);
  }
  return taken.sort((a, b) => a - b)[Math.floor(times / 2)]!;
}

function filled(count: number) {
  const entries = createEntries();
  for (let n = 1; n <= count; n++) {
    const serialNumber = `4${randomBytes(20).toString('hex').slice(1)}`;
    const der = encodeCrlEntry({ serialNumber, revokedAt: at, reason: 'keyCompromise' });
    entries.add({ position: n, der, until: Infinity, date: at.getTime(), index: n });
  }
  return entries;
}

/** Complete lists of growing size: built, signed, linted and compared, against the hash that nobody can do without, and openssl. */
export async function benchLists(): Promise<string> {
  const { issuing } = await createAuthority('bench', 'ec-p256', new Date());
  const lines = [
    '| entries | list | SHA-256 of it | build + sign | times SHA-256 | lint | diff | one revocation to a fresh list | longest stall: build, checks | openssl ca -gencrl | times faster |',
    '|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|',
  ];
  for (const count of [1000, 10_000, 100_000, 1_000_000]) {
    const entries = filled(count);
    let last: Buffer = Buffer.alloc(0);
    let number = 1n;
    const build = async (): Promise<void> => {
      const view = entries.view();
      const draft = draftCrl(issuing, { number: number++, ...window }, view.octets);
      await inSlices(
        (function* () {
          let to = 0;
          for (const slice of view.slices) {
            draft.entries.set(slice, to);
            to += slice.length;
            yield;
          }
        })(),
      );
      const { tbs } = draft;
      last = draft.finish(await inSlices(issuing.signer.signLong(tbs)));
    };
    await build();
    const hashing = await milliseconds(() => createHash('sha256').update(last).digest());
    const stall = monitorEventLoopDelay({ resolution: 1 });
    stall.enable();
    const building = await milliseconds(build);
    stall.disable();
    const checks = monitorEventLoopDelay({ resolution: 1 });
    checks.enable();
    const header = { number: number - 1n, ...window };
    let index: CrlIndex | undefined;
    const linting = await milliseconds(async () => {
      index = await inSlices(
        lintCrl({ der: last, issuer: issuing, header, entries: count, now: at, maxSeconds: 8 * 86_400 }),
      );
    }, 3);
    const diffing = await milliseconds(() => inSlices(requireNothingDropped(last, index!, () => false)), 3);
    // Everything that stands between a revocation and the next list: entry, bytes, signature, its verification, lint, diff.
    let position = count;
    const fresh = await milliseconds(async () => {
      entries.add({
        position: ++position,
        der: encodeCrlEntry({
          serialNumber: `4${randomBytes(20).toString('hex').slice(1)}`,
          revokedAt: at,
          reason: 'unspecified',
        }),
        date: at.getTime(),
        until: Infinity,
        index: position,
      });
      const previous = last;
      await build();
      await inSlices(issuing.signer.verifyLong(last, Buffer.alloc(70)));
      const lint = {
        der: last,
        issuer: issuing,
        header: { number: number - 1n, ...window },
        entries: position,
        now: at,
        maxSeconds: 8 * 86_400,
      };
      await inSlices(requireNothingDropped(previous, await inSlices(lintCrl(lint)), () => false));
    }, 3);
    checks.disable();
    const peer = opensslGencrl(count);
    lines.push(
      `| ${count.toLocaleString('en')} | ${(last.length / 1e6).toFixed(2)} MB | ${hashing.toFixed(2)} ms | ${building.toFixed(2)} ms | ${(building / hashing).toFixed(2)} | ${linting.toFixed(1)} ms | ${diffing.toFixed(1)} ms | ${fresh.toFixed(1)} ms | ${(stall.max / 1e6).toFixed(1)}, ${(checks.max / 1e6).toFixed(1)} ms | ${peer.toFixed(0)} ms | ${format(peer / building)} |`,
    );
  }
  return lines.join('\n');
}

/** How long openssl takes to make a list of as many entries from its text database. */
function opensslGencrl(count: number): number {
  const folder = mkdtempSync(join(tmpdir(), 'thingward-gencrl-'));
  try {
    const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' });
    createOpensslCa(folder);
    writeFileSync(
      join(folder, 'ca.cnf'),
      '[ca]\ndefault_ca=c\n[c]\ndatabase=index.txt\ncrlnumber=number\ndefault_md=sha256\ndefault_crl_days=7\n',
    );
    writeFileSync(join(folder, 'number'), '01\n');
    const rows = Array.from(
      { length: count },
      () =>
        `R\t270101000000Z\t261121000000Z,keyCompromise\t4${randomBytes(20).toString('hex').slice(1).toUpperCase()}\tunknown\t/CN=d\n`,
    );
    writeFileSync(join(folder, 'index.txt'), rows.join(''));
    writeFileSync(join(folder, 'index.txt.attr'), 'unique_subject = no\n');
    const start = performance.now();
    openssl('ca', '-config', 'ca.cnf', '-gencrl', '-keyfile', 'ca.key', '-cert', 'ca.pem', '-out', 'list.pem');
    return performance.now() - start;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Compact lists against what any code needs, and against a Token Status List. */
export async function benchCompact(): Promise<string> {
  const lines = [
    '| issued | revoked | log2 C(n, r) | gap list | times the floor | Token Status List (zlib) | gap list against it | build |',
    '|---:|---:|---:|---:|---:|---:|---:|---:|',
  ];
  for (const [n, r] of [
    [1e6, 1e3],
    [1e6, 1e4],
    [1e6, 5e4],
    [1e7, 1e4],
    [1e7, 1e5],
    [1e7, 5e5],
  ] as const) {
    const set = new Set<number>();
    while (set.size < r) set.add(randomBytes(6).readUIntBE(0, 6) % n);
    const bitmap = await inSlices(bitmapOf([...set], n));
    let gaps = new Uint8Array();
    const building = await milliseconds(
      async () => (gaps = (await inSlices(encodeGaps(bitmap))) as Uint8Array<ArrayBuffer>),
      3,
    );
    let bits = 0;
    for (let k = 1; k <= r; k++) bits += Math.log2((n - r + k) / k);
    const floor = Math.ceil(bits / 8);
    const status = (await deflateBitmap(bitmap)).length;
    lines.push(
      `| ${n.toLocaleString('en')} | ${r.toLocaleString('en')} | ${floor.toLocaleString('en')} | ${gaps.length.toLocaleString('en')} | ${(gaps.length / floor).toFixed(4)} | ${status.toLocaleString('en')} | ${(gaps.length / status).toFixed(2)} | ${building.toFixed(0)} ms |`,
    );
  }
  return lines.join('\n');
}
