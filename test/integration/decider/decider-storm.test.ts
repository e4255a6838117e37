import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Question } from '../../../src/authorize/question.js';
import { createDecider, type Decider } from '../../../src/edge/decider/decider.js';
import { createRandom, randomQuestion } from '../../support/policy-cases.js';
import { startServer, type TestServer } from '../../support/server.js';
import { startStorm, type Storm } from '../../support/storm.js';

const wanted = Number(process.env['DECIDER_QUESTIONS'] ?? 8000);
const seed = Number(process.env['DECIDER_SEED'] ?? 20261128);
const perRound = 800;
const perBatch = 100;

let server: TestServer;
let storm: Storm;
let folder: string;
let keys: string[];
const open: Decider[] = [];

/** Its clocks are those of the server: time passes when the test says so. */
const start = async (key: string, name: string): Promise<Decider> => {
  const clock = (): number => server.now().getTime();
  const stateDir = join(folder, name);
  const decider = await createDecider({ server: server.url, key, name, stateDir, now: clock, wall: clock });
  open.push(decider);
  return decider;
};

const positionOf = (cursor: string): number => Number(cursor.split(':')[1]);

/** Everything that is committed is applied there. */
const settle = async (decider: Decider): Promise<void> => {
  const head = server.services.log.position();
  await server.services.chores.run('tell-edge-streams-the-head');
  while (positionOf(decider.cursor()) < head || decider.trust() !== 'live')
    await new Promise((resolve) => setTimeout(resolve, 2));
};

type Reply = { cursor: string; decision: string; reasons: string[]; statement?: string };

/** The questions whose answers were from different places in the log. The others must have the same answer. */
async function compare(
  decider: Decider,
  key: string,
  questions: Question[],
  seen: (reply: Reply) => void,
): Promise<Question[]> {
  const here = (await Promise.all(questions.map(async (question) => decider.decide(question)))) as Reply[];
  const requests = questions.map((question, index) => ({ ...question, atLeast: here[index]!.cursor }));
  const { body, status, text } = await server.direct(key).post('/v1/authorize/batch', { requests });
  expect(status, text).toBe(200);
  const there = (body as { decisions: Reply[] }).decisions;
  return questions.filter((question, index) => {
    const [one, other] = [here[index]!, there[index]!];
    if (one.cursor !== other.cursor) return true;
    if (JSON.stringify(one) !== JSON.stringify(other)) expect(one, JSON.stringify(question)).toEqual(other);
    seen(one);
    return false;
  });
}

beforeAll(async () => {
  server = await startServer('embedded');
  server.freeze();
  folder = mkdtempSync(join(tmpdir(), 'decider-storm-'));
  storm = await startStorm(server, createRandom(seed));
  const promises = [{}, { bearer: true, followsFeed: true }];
  keys = await Promise.all(
    promises.map(async (each) => {
      const { status, body, text } = await server.owner.post('/v1/api-keys', { name: 'edge', role: 'edge', ...each });
      expect(status, text).toBe(201);
      return body.key as string;
    }),
  );
});

afterAll(async () => {
  for (const each of open) await each.close();
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe('a decider in process', () => {
  it('gives the answers of the control plane at the same place in the log, under a storm of changes', async () => {
    const random = createRandom(seed + 1);
    const counts = { questions: 0, inTheStorm: 0, rounds: 0, restarts: 0 };
    const [made, answers]: Record<string, number>[] = [{}, {}];
    const count = (into: Record<string, number>, what: string): void => void (into[what] = (into[what] ?? 0) + 1);
    const seen = ({ decision, statement, reasons }: Reply): void => {
      counts.questions++;
      count(answers!, statement === undefined ? String(reasons) : `${decision} by a statement`);
    };
    const deciders = await Promise.all(keys.map((key, index) => start(key, `edge-${index}`)));
    while (counts.questions < wanted) {
      const which = random.below(keys.length);
      const [key, decider] = [keys[which]!, deciders[which]!];
      const changes = Array.from({ length: 1 + random.below(8) }, () => random.pick(storm.drawn));
      let storming = true;
      const changing = (async () => {
        for (const what of changes) if (await storm.makes(what, random)) count(made!, what);
        storming = false;
      })();
      const again: Question[] = [];
      const questionsOf = createRandom(seed + counts.rounds * 2 + 100);
      for (let n = 0; n < perRound; n += perBatch) {
        const questions = Array.from({ length: perBatch }, () => {
          const { action, resource, context } = randomQuestion(questionsOf);
          return { principal: storm.principalOf(questionsOf), action, resource, context };
        });
        const wasStorming = storming;
        const late = await compare(decider, key, questions, seen);
        if (wasStorming) counts.inTheStorm += questions.length - late.length;
        again.push(...late);
      }
      await changing;
      await settle(decider);
      expect(await compare(decider, key, again, seen)).toEqual([]);
      if (random.chance(0.3)) {
        server.advance(random.below(200));
        await Promise.all(deciders.map(settle));
      }
      // One that starts again takes up its folder, and knows what happened meanwhile.
      if (random.chance(0.2)) {
        await decider.close();
        await storm.makes(random.pick(storm.drawn), random);
        deciders[which] = await start(key, `edge-${which}`);
        await settle(deciders[which]);
        counts.restarts++;
      }
      counts.rounds++;
    }
    console.log(`decider storm: seed=${seed} ${JSON.stringify({ ...counts, differences: 0, made, answers })}`);
    expect(counts.inTheStorm).toBeGreaterThan(0);
    expect(counts.restarts).toBeGreaterThan(0);
    expect(Object.keys(made!).length).toBeGreaterThan(8);
    for (const kind of ['allow by a statement', 'deny by a statement', 'no-matching-statement', 'outside-segment'])
      expect(answers![kind], kind).toBeGreaterThan(wanted / 500);
    for (const kind of ['token-revoked', 'binding-mismatch', 'certificate-revoked', 'unknown-principal'])
      expect(answers![kind], kind).toBeGreaterThan(0);
  });
});
