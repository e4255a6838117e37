import { connectDevice } from '../../test/support/edge/live-device.js';
import { isAhead } from './ahead.js';
import { startPost, type CutOffFleet, type Post, type Session } from './fleet.js';
import { expectOk, pause, until } from './stage.js';

/** What became of one edge that was away. */
type Outage = {
  what: string;
  /** Until `GET /v1/revocations/{position}` shows it as not enforcing something that it enforced before. */
  shownMs: number;
  /** From its return until it is shown as enforcing what was revoked meanwhile. */
  backMs: number;
  claims: number;
  ahead: number;
};

type Revoked = { position: number; sessions: Session[] };

const outages = ['stalled (SIGSTOP)', 'parted from the server', 'killed (SIGKILL)'] as const;
const revokedMeanwhile = 3;

/** One edge of four is stalled, one parted from the server, one killed; things are revoked; and all of them come back. */
export async function measureDark(fleet: CutOffFleet): Promise<{ outages: Outage[]; wellMs: number; entered: number }> {
  await fleet.connectAll();
  await fleet.settle();
  const { posts, known } = fleet;
  const before = await revoke(fleet, 0);
  await until('all edges enforce the first', async () => (await receipt(fleet, before.position)).enforced);
  for (const { relay } of posts) {
    relay.forget();
    relay.ask(true);
  }
  const staying = posts.map((_, post) => (post === 2 ? 0 : fleet.liveAt(post)));

  const shownMs = await breakThree(fleet, before.position);
  const revoked: Revoked[] = [];
  for (let index = 1; index <= Math.min(revokedMeanwhile, known.length - 1); index++)
    revoked.push(await revoke(fleet, index));
  const last = revoked.at(-1)!;
  const from = performance.now();
  const isBy = async (post: number): Promise<boolean> =>
    (await receipt(fleet, last.position)).enforcedBy.some(({ name }: { name: string }) => name === posts[post]!.name);
  await until('the edge that is well enforces it', () => isBy(3));
  const wellMs = performance.now() - from;

  const intruder = intrude(fleet, posts[2]!);
  const backMs = await bringBack(fleet, isBy);
  const entered = await intruder.stop();
  return {
    wellMs,
    entered,
    outages: outages.map((what, post) => {
      const claims = posts[post]!.relay.claims().filter(({ position }) => position >= revoked[0]!.position);
      const ahead = claims.filter((claim) => {
        const ended = revoked.filter(({ position }) => position <= claim.position).flatMap(({ sessions }) => sessions);
        const stay = posts.map((_, each) => staying[each]! - (each === 2 ? 0 : countOf(ended, each)));
        return isAhead(fleet, { ...claim, post }, ended, stay);
      });
      return { what, shownMs: shownMs[post]!, backMs: backMs[post]!, claims: claims.length, ahead: ahead.length };
    }),
  };
}

export function darkTable({ outages: rows, wellMs, entered }: Awaited<ReturnType<typeof measureDark>>): string {
  const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
  return [
    '| edge | shown as not enforcing after | enforces what was revoked meanwhile, after its return | claims checked | ahead of the truth |',
    '|---|---:|---:|---:|---:|',
    ...rows.map(
      ({ what, shownMs, backMs, claims, ahead }) =>
        `| ${what} | ${seconds(shownMs)} | ${seconds(backMs)} | ${claims} | ${ahead} |`,
    ),
    '',
    `The edge that was well was shown as enforcing ${seconds(wellMs)} after the acknowledgement. Sessions that revoked things got at the edge that was started again: ${entered}.`,
  ].join('\n');
}

const countOf = (sessions: Session[], post: number): number => sessions.filter((each) => each.post === post).length;

async function receipt({ owner }: CutOffFleet, position: number) {
  return expectOk(await owner.get(`/v1/revocations/${position}`)).body;
}

async function revoke(fleet: CutOffFleet, index: number): Promise<Revoked> {
  const sessions = fleet.sessionsOf([index]);
  const { serial } = fleet.known[index]!;
  const answer = await fleet.owner.post(`/v1/certificates/${serial}/revoke`, { reason: 'keyCompromise' });
  return { position: expectOk(answer).body.position as number, sessions };
}

/** Returns how long it took until each was shown as not enforcing. */
async function breakThree(fleet: CutOffFleet, position: number): Promise<number[]> {
  const { posts } = fleet;
  posts[0]!.program.child.kill('SIGSTOP');
  posts[1]!.relay.cut();
  await posts[2]!.program.kill('SIGKILL');
  const from = performance.now();
  const shownMs: number[] = [];
  await until('three edges are shown as not enforcing', async () => {
    const { notEnforcedBy } = await receipt(fleet, position);
    for (const [post, { name }] of posts.entries())
      if (notEnforcedBy.some((each: { name: string }) => each.name === name))
        shownMs[post] ??= performance.now() - from;
    return [0, 1, 2].every((post) => shownMs[post] !== undefined);
  });
  return shownMs;
}

async function bringBack(fleet: CutOffFleet, isBy: (post: number) => Promise<boolean>): Promise<number[]> {
  const { posts } = fleet;
  const from = performance.now();
  posts[0]!.program.child.kill('SIGCONT');
  posts[1]!.relay.heal();
  const { name, relay, brokerPort, ports } = posts[2]!;
  posts[2]!.program = await startPost(fleet, name, relay.port, brokerPort, ports);
  const backMs: number[] = [];
  await until('all edges enforce what was revoked meanwhile', async () => {
    for (const post of [0, 1, 2])
      if (backMs[post] === undefined && (await isBy(post))) backMs[post] = performance.now() - from;
    return [0, 1, 2].every((post) => backMs[post] !== undefined);
  });
  return backMs;
}

/** A revoked thing that comes again and again to an edge that starts. `stop` resolves with how often it was let in. */
function intrude({ known }: CutOffFleet, { ports }: Post) {
  const { name, token } = known[2 % known.length]!;
  let entered = 0;
  let isOver = false;
  const attempt = async (): Promise<void> => {
    while (!isOver) {
      const arrival = {
        port: ports.mqtt,
        clientId: `${name}:2`,
        version: 4 as const,
        password: token,
        filter: `${name}/#`,
      };
      const live = await connectDevice(arrival).catch(() => undefined);
      if (live) entered++;
      live?.close();
      await pause(20);
    }
  };
  const attempts = attempt();
  return {
    async stop(): Promise<number> {
      isOver = true;
      await attempts;
      return entered;
    },
  };
}
