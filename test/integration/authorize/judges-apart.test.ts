import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eachPromise, promiseNames, type Grantee } from '../../../src/access/grantee.js';
import { followElsewhere, loadHere, type Wire } from '../../support/judges-apart.js';
import { createRandom, randomQuestion } from '../../support/policy-cases.js';
import { startServer, type TestServer } from '../../support/server.js';
import { startStorm, type Storm } from '../../support/storm.js';

const wanted = Number(process.env['JUDGE_QUESTIONS'] ?? 30_000);
const perRound = 750;
const seed = Number(process.env['JUDGE_SEED'] ?? 20261128);

let server: TestServer;
let storm: Storm;

const askers = [
  ...['default', 'acme'].map((account) => askerOf(account, {})),
  ...promiseNames.map((promise) => askerOf('default', { [promise]: true })),
];

function askerOf(account: string, promises: Partial<Grantee['promises']>): Grantee {
  const own = { permissions: new Set<never>(), expiresAt: null, promises: { ...eachPromise(false), ...promises } };
  return { kind: 'grantee', id: 'asker', account, actor: 'key:asker', role: null, ...own };
}

beforeAll(async () => {
  server = await startServer('embedded');
  server.freeze();
  storm = await startStorm(server, createRandom(seed));
});
afterAll(() => server.stop());

describe('a judge elsewhere', () => {
  it('that knows only what came over a wire gives the verdicts of the one beside the database', async () => {
    const random = createRandom(seed + 1);
    const { changes, drawn, makes, principalOf } = storm;
    const { client: db } = server.database;
    const wire: Wire = { lines: 0, bytes: 0 };
    const since = await followElsewhere(db, server.now, wire);
    const counts = { questions: 0, rounds: 0, changes: 0, entries: 0 };
    const made: Record<string, number> = {};
    const verdicts: Record<string, number> = {};
    while (counts.questions < wanted) {
      for (let n = random.below(6); n >= 0; n--) {
        const what = random.pick(drawn);
        if (await makes(what, random)) made[what] = (made[what] ?? 0) + 1;
        // Of a new certificate the log says nothing, so it is found by name within a minute, when what is remembered ends.
        if (what === 'bring back') since.forget();
      }
      if (random.chance(0.3)) server.advance(random.below(200));
      counts.entries += await since.follow();
      const here = await loadHere(db, server.now);
      // As an edge that starts now.
      const fresh = await followElsewhere(db, server.now, wire);
      for (let n = 0; n < perRound; n++) {
        const { action, resource, context } = randomQuestion(random);
        const question = { principal: principalOf(random), action, resource, context };
        const asker = random.pick(askers);
        const verdict = await here.ask(asker, question);
        const others = [await since.ask(asker, question), await fresh.ask(asker, question)];
        if (others.some((other) => other !== verdict))
          expect(others, JSON.stringify({ question, asker: asker.promises })).toEqual([verdict, verdict]);
        const { decision, statement, reasons } = JSON.parse(verdict.slice(verdict.indexOf(' '))) as Record<
          string,
          string
        >;
        const kind = statement === undefined ? String(reasons) : `${decision} by a statement`;
        verdicts[kind] = (verdicts[kind] ?? 0) + 1;
      }
      counts.questions += perRound;
      counts.rounds++;
    }
    counts.changes = Object.values(made).reduce((sum, count) => sum + count, 0);
    console.log(`judges apart: seed=${seed} ${JSON.stringify({ ...counts, wire, made, verdicts })}`);
    expect(Object.keys(made).sort()).toEqual(Object.keys(changes).sort());
    expect(counts.entries).toBeGreaterThan(counts.rounds);
    for (const kind of ['allow by a statement', 'deny by a statement', 'no-matching-statement', 'outside-segment'])
      expect(verdicts[kind], kind).toBeGreaterThan(wanted / 200);
    // A suspension holds the certificates, so `thing-suspended` needs a rare order of changes and is not asked for here.
    for (const kind of ['token-expired', 'token-revoked', 'certificate-revoked', 'unknown-principal'])
      expect(verdicts[kind], kind).toBeGreaterThan(0);
  });
});
