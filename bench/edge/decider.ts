import { createDecider, type Decider } from '../../src/edge/decider/decider.js';
import type { Guest } from '../../src/edge/gate.js';
import { checkAnswers, questions, startCerbos, startOpa, type Peer, type Question } from '../servers.js';
import { openAsker } from './ask.js';
import { cedarEngine, opaEngine, type Engine } from './engines.js';
import { forEachOf, openStage, type BenchStage } from './stage.js';

const seconds = Number(process.env['DECIDER_SECONDS'] ?? 0.3);
const turns = Number(process.env['DECIDER_TURNS'] ?? 2);

/** Whether the measurement is large enough to be recorded. */
export const isFullDecider = seconds >= 2 && turns >= 5;

/** Questions to the decider in process, against engines in process, and apart from them against servers on loopback. */
export async function benchDecider(): Promise<string> {
  const stage = await openStage();
  try {
    const known = await addThings(stage);
    const decider = await openDecider(stage);
    try {
      const engines = await openEngines(stage, decider, known);
      const inProcess = medians(engines);
      return [engineTable(inProcess), '', await serverTable(stage, known, inProcess[0]!.ns)].join('\n');
    } finally {
      await decider.close();
    }
  } finally {
    await stage.stop();
  }
}

type Shown = { fingerprint: string; token: string };

/** The things that are asked about, with the policy that all of them have. */
async function addThings(stage: BenchStage): Promise<Map<string, Shown>> {
  await stage.enroll({ policies: ['sensor', 'actuator', 'camera'] });
  const known = new Map<string, Shown>();
  await forEachOf([...new Set(questions.map(({ thing }) => thing))], 16, async (name) => {
    const { answer, token } = await stage.addDevice(name);
    known.set(name, { fingerprint: answer.body.certificate.fingerprint as string, token });
  });
  return known;
}

async function openDecider(stage: BenchStage): Promise<Decider> {
  const { body } = await stage.owner.post('/v1/api-keys', { role: 'edge' });
  return createDecider({ server: stage.url, key: body.key as string, name: 'bench', stateDir: stage.at('decider') });
}

const resourceOf = ({ topic }: Question): string => `topic:${topic}`;

async function openEngines(
  stage: BenchStage,
  decider: Decider,
  known: Map<string, Shown>,
): Promise<Record<string, Engine>> {
  const guests = new Map<string, Guest>();
  for (const { thing } of questions) {
    const { fingerprint } = known.get(thing)!;
    // Who is asked about for the first time is asked of the server.
    const guest = await decider.gate.identify({ fingerprint, withoutCertificates: false });
    if ('barred' in guest) throw new Error(guest.detail);
    guests.set(thing, guest);
  }
  const answered = (answer: ReturnType<Decider['decide']>): boolean => {
    if (answer instanceof Promise) throw new Error('the decider had to ask');
    return answer.decision === 'allow';
  };
  return {
    'ours, `decide` by fingerprint': (question) =>
      answered(
        decider.decide({
          principal: { fingerprint: known.get(question.thing)!.fingerprint },
          action: 'publish',
          resource: resourceOf(question),
        }),
      ),
    'ours, `decide` by token and fingerprint': (question) => {
      const { token, fingerprint } = known.get(question.thing)!;
      return answered(
        decider.decide({ principal: { token, fingerprint }, action: 'publish', resource: resourceOf(question) }),
      );
    },
    'ours, a session of an edge': (question) =>
      decider.gate.judge(guests.get(question.thing)!, { action: 'publish', resource: resourceOf(question) }).allowed,
    'Cedar 4.13.0 (WASM)': cedarEngine(),
    'OPA v1.10.0 (WASM)': await opaEngine(stage.folder),
  };
}

type Measured = { name: string; ns: number };

/** Nanoseconds of one decision, the median of turns that contenders take; who answers wrongly is not timed. */
function medians(engines: Record<string, Engine>): Measured[] {
  const samples = new Map<string, number[]>();
  for (const [name, engine] of Object.entries(engines)) {
    const wrong = questions.filter((question) => engine(question) !== question.allowed);
    if (wrong.length > 0) throw new Error(`${name} answers ${wrong.length} questions wrongly`);
    samples.set(name, []);
    once(engine);
  }
  for (let turn = 0; turn < turns; turn++)
    for (const [name, engine] of Object.entries(engines)) samples.get(name)!.push(once(engine));
  return [...samples].map(([name, values]) => ({ name, ns: middle(values) }));
}

function once(engine: Engine): number {
  const end = performance.now() + seconds * 1000;
  const begun = process.hrtime.bigint();
  let asked = 0;
  while (performance.now() < end) {
    for (const question of questions) engine(question);
    asked += questions.length;
  }
  return Number(process.hrtime.bigint() - begun) / asked;
}

const middle = (values: number[]): number => values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
const round = (value: number): string => Math.round(value).toLocaleString('en');

function engineTable(measured: Measured[]): string {
  const own = measured[0]!.ns;
  return [
    '| one decision in process | median | against `decide` by fingerprint |',
    '|---|---:|---:|',
    ...measured.map(({ name, ns }) => `| ${name} | ${round(ns)} ns | ${(ns / own).toFixed(1)} x |`),
  ].join('\n');
}

/** Asked one after another over one connection, as an application does that has no engine in its process. */
async function serverTable(stage: BenchStage, known: Map<string, Shown>, own: number): Promise<string> {
  const { body } = await stage.owner.post('/v1/api-keys', { role: 'edge' });
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${body.key as string}` };
  const [cerbos, opa] = [await startCerbos(stage.folder), await startOpa(stage.folder)];
  stage.children.push(cerbos.child, opa.child);
  const ours: Omit<Peer, 'child'> = {
    name: '`POST /v1/authorize` of ours, by fingerprint',
    url: `${stage.url}/v1/authorize`,
    headers,
    body: (question) => ({
      principal: { fingerprint: known.get(question.thing)!.fingerprint },
      action: 'publish',
      resource: resourceOf(question),
    }),
    isAllowed: (answer) => (answer as { decision: string }).decision === 'allow',
  };
  const lines: string[] = [];
  for (const peer of [ours, cerbos, opa]) {
    await checkAnswers(peer);
    const us = await microseconds(peer);
    lines.push(`| ${peer.name} | ${round(us)} µs | ${round((us * 1000) / own)} x |`);
  }
  return [
    'The same questions over loopback, one after another on one connection. Nearly all of it is the way there and back.',
    '',
    '| one decision of a server | median | against `decide` in process |',
    '|---|---:|---:|',
    ...lines,
  ].join('\n');
}

async function microseconds({ url, headers, body }: Omit<Peer, 'child'>): Promise<number> {
  const asker = await openAsker(url, headers);
  const bodies = questions.map((question) => JSON.stringify(body(question)));
  const taken: number[] = [];
  const end = performance.now() + seconds * turns * 1000;
  for (let n = 0; performance.now() < end; n++) {
    const begun = performance.now();
    await asker.ask(bodies[n % bodies.length]!);
    taken.push((performance.now() - begun) * 1000);
  }
  asker.close();
  return middle(taken);
}
