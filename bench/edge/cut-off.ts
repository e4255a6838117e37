import { format } from '../measure.js';
import { isAhead } from './ahead.js';
import { darkTable, measureDark } from './dark.js';
import { documentOf, hasToken, openFleet, policyName, segmentName, type CutOffFleet } from './fleet.js';
import { expectOk, pause, until } from './stage.js';

const sessionCount = Number(process.env['CUT_OFF_SESSIONS'] ?? 40);
const rounds = Number(process.env['CUT_OFF_ROUNDS'] ?? 3);
const edges = 4;
const full = { sessions: 1000, rounds: 100 };

/** Whether the measurement is large enough to be recorded. */
export const isFullCutOff = sessionCount >= full.sessions && rounds >= full.rounds;

/** A change, whom it ends, and what undoes it. */
type Kind = {
  what: string;
  rounds: number;
  /** The things whose sessions end. */
  affected(round: number): number[];
  /** Before everybody connects. */
  prepare?(round: number): Promise<void>;
  /** Makes the change. Resolves when it is acknowledged, with the moment from which it counts. */
  change(round: number): Promise<number>;
  undo(round: number): Promise<void>;
  /** It is no entry of the log: time itself ends the sessions. */
  byTime?: boolean;
};

type Round = { ended: number; lastMs: number; enforcedMs: number | undefined; claims: number; ahead: number };

/** From the acknowledgement of a change to the last socket that it ends, and whether `enforced` is ever ahead of that. */
export async function benchCutOff(): Promise<string> {
  const fleet = await openFleet(Math.ceil(sessionCount / edges), edges);
  try {
    const lines: string[] = [];
    for (const kind of kindsOf(fleet)) {
      const timed: Round[] = [];
      const asked: Round[] = [];
      for (let round = 0; round < kind.rounds; round++) timed.push(await runRound(fleet, kind, round, false));
      const checks = kind.byTime ? 0 : Math.ceil(kind.rounds / 10);
      for (let round = 0; round < checks; round++) asked.push(await runRound(fleet, kind, kind.rounds + round, true));
      lines.push(rowOf(kind, timed, asked));
      console.error(lines.at(-1));
    }
    return [
      `${sessionCount.toLocaleString('en')} live sessions at ${edges} edges.`,
      '',
      '| change | sessions that it ends | rounds | last socket, p50 | p99 | all edges say `enforced`, p50 | p99 | claims checked | ahead of the truth |',
      '|---|---:|---:|---:|---:|---:|---:|---:|---:|',
      ...lines,
      '',
      darkTable(await measureDark(fleet)),
    ].join('\n');
  } finally {
    await fleet.close();
  }
}

function rowOf({ what }: Kind, timed: Round[], asked: Round[]): string {
  const last = quantiles(timed.map(({ lastMs }) => lastMs));
  const enforced = quantiles(timed.flatMap(({ enforcedMs }) => enforcedMs ?? []));
  const sum = (of: keyof Round): number => asked.reduce((total, round) => total + (round[of] ?? 0), 0);
  const checked = asked.length === 0 ? ['', ''] : [format(sum('claims')), String(sum('ahead'))];
  return `| ${[what, timed[0]!.ended, timed.length, ...last, ...enforced, ...checked].join(' | ')} |`;
}

function quantiles(values: number[]): [string, string] {
  if (values.length === 0) return ['', ''];
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): string =>
    `${sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!.toFixed(1)} ms`;
  return [at(0.5), at(0.99)];
}

/** One change, from everybody connected to everybody cut off. With `asks`, the kernel is asked at each claim, and nothing is timed. */
async function runRound(fleet: CutOffFleet, kind: Kind, round: number, asks: boolean): Promise<Round> {
  const { posts } = fleet;
  await kind.prepare?.(round);
  await fleet.connectAll();
  if (!kind.byTime) await fleet.settle();
  const affected = fleet.sessionsOf(kind.affected(round));
  const before = await fleet.position();
  const staying = posts.map((_, post) => fleet.liveAt(post) - affected.filter((each) => each.post === post).length);
  for (const { relay } of posts) {
    relay.forget();
    relay.ask(asks);
  }
  const from = await kind.change(round);
  await until('every session that the change concerns ends', () =>
    affected.every(({ live }) => live.endedAt() !== undefined),
  );
  const position = await fleet.position();
  if (!kind.byTime && position === before) throw new Error(`${kind.what} is no entry of the log`);
  const claimsOf = (post: number) => posts[post]!.relay.claims().filter((claim) => claim.position >= position);
  if (!kind.byTime)
    await until('every edge says that it enforces it', () => posts.every((_, post) => claimsOf(post).length > 0));
  const claims = posts.flatMap((_, post) => claimsOf(post).map((claim) => ({ ...claim, post })));
  const ahead = asks ? claims.filter((claim) => isAhead(fleet, claim, affected, staying)).length : 0;
  await kind.undo(round);
  return {
    ended: affected.length,
    lastMs: Math.max(0, ...affected.map(({ live }) => live.endedAt()! - from)),
    enforcedMs: kind.byTime ? undefined : Math.max(0, ...posts.map((_, post) => claimsOf(post)[0]!.at - from)),
    claims: claims.length,
    ahead,
  };
}

function kindsOf(fleet: CutOffFleet): Kind[] {
  const { owner, known } = fleet;
  const all = [...known.keys()];
  const few = Math.max(1, Math.ceil(rounds / 5));
  const one = (round: number): number[] => [round % known.length];
  const nameOf = (round: number): string => known[one(round)[0]!]!.name;
  const acknowledged = async (request: Promise<Parameters<typeof expectOk>[0]>): Promise<number> => {
    expectOk(await request);
    return performance.now();
  };
  const condition = { attributes: { site: ['berlin'] } };
  const addVersion = async (document: object): Promise<number> =>
    expectOk(await owner.post(`/v1/policies/${policyName}/versions`, document)).body.version as number;
  const activate = (version: number) => owner.post(`/v1/policies/${policyName}/activate`, { version });
  const rare = Math.max(1, Math.ceil(rounds / 20));
  // For everybody to connect before it happens.
  const roomMs = 10_000 + sessionCount * 20;
  let endsAt = 0;
  let narrowed: number | undefined;
  const refreshAll = async (): Promise<void> => {
    for (const index of all) if (hasToken(index)) await fleet.refresh(index);
  };

  return [
    {
      what: 'a certificate is revoked',
      rounds,
      affected: one,
      change: (round) =>
        acknowledged(
          owner.post(`/v1/certificates/${known[one(round)[0]!]!.serial}/revoke`, { reason: 'keyCompromise' }),
        ),
      undo: (round) => fleet.replace(one(round)[0]!),
    },
    {
      what: 'a thing is suspended',
      rounds,
      affected: one,
      change: (round) => acknowledged(owner.post(`/v1/things/${nameOf(round)}/suspend`)),
      async undo(round) {
        expectOk(await owner.post(`/v1/things/${nameOf(round)}/resume`));
        await fleet.refresh(one(round)[0]!);
      },
    },
    {
      what: 'an attribute changes',
      rounds,
      affected: one,
      change: (round) =>
        acknowledged(owner.send('PATCH', `/v1/things/${nameOf(round)}`, { attributes: { site: 'paris' } })),
      async undo(round) {
        expectOk(await owner.send('PATCH', `/v1/things/${nameOf(round)}`, { attributes: { site: 'berlin' } }));
      },
    },
    {
      what: 'a policy is edited',
      rounds: few,
      affected: () => all,
      async change() {
        narrowed ??= await addVersion(documentOf(edges, condition, '${thing.name}:elsewhere'));
        return acknowledged(activate(narrowed));
      },
      async undo() {
        expectOk(await activate(1));
      },
    },
    {
      what: 'a segment is edited',
      rounds: few,
      affected: () => all,
      change: () => acknowledged(owner.send('PATCH', `/v1/segments/${segmentName}`, { allowedProtocols: ['CoAP'] })),
      async undo() {
        expectOk(await owner.send('PATCH', `/v1/segments/${segmentName}`, { allowedProtocols: ['MQTT'] }));
      },
    },
    {
      what: 'a time window ends',
      rounds: rare,
      affected: () => all,
      byTime: true,
      async prepare() {
        endsAt = Math.ceil((Date.now() + roomMs) / 60_000) * 60_000;
        const to = new Date(endsAt).toISOString().slice(11, 16);
        const window = { from: to === '00:00' ? '12:00' : '00:00', to, days, timeZone: 'UTC' };
        expectOk(await activate(await addVersion(documentOf(edges, { ...condition, timeWindows: [window] }))));
      },
      change: () => untilMoment(endsAt),
      async undo() {
        expectOk(await activate(1));
      },
    },
    {
      what: 'tokens expire',
      rounds: rare,
      affected: () => all.filter(hasToken),
      byTime: true,
      async prepare() {
        endsAt = Math.ceil((Date.now() + roomMs) / 1000) * 1000;
        await fleet.shorten(all.filter(hasToken), new Date(endsAt));
      },
      change: () => untilMoment(endsAt),
      undo: refreshAll,
    },
  ];
}

const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];

/** Waits for a moment of the clock. Resolves shortly before it, with the moment as `performance.now()` has it. */
async function untilMoment(at: number): Promise<number> {
  await pause(at - Date.now() - 20);
  return performance.now() + at - Date.now();
}
