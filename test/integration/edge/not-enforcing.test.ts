import type { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startEdgeProgram, type EdgeProgram } from '../../support/edge/edge-program.js';
import { connectDevice, type LiveDevice } from '../../support/edge/live-device.js';
import { socketTable, type HeldSocket } from '../../support/edge/socket-table.js';
import { createEdgeStage, eventually, type EdgeStage } from '../../support/edge/stage.js';
import { startTruthRelay, type TruthRelay } from '../../support/edge/truth.js';
import type { Device } from '../../support/fleet.js';
import { serialOf } from '../../support/pki/crl.js';
import { freePort } from '../../support/ports.js';
import { describeWith } from '../../support/programs.js';

type Known = Device & { token: string };
/** An edge in its own process, with a broker of its own and a relay to the server that sees what it claims. */
type Post = {
  name: string;
  file: string;
  port: number;
  brokerPort: number;
  broker: ChildProcess;
  relay: TruthRelay;
  program: EdgeProgram;
  live: Map<string, LiveDevice>;
};
type Receipt = {
  enforced: boolean;
  enforcedBy: { name: string }[];
  notEnforcedBy: { name: string; stale: boolean }[];
};

describeWith(
  ['mosquitto', 'openssl', socketTable],
  'edges that stall, are parted from the server, or are killed',
  () => {
    let stage: EdgeStage;
    let posts: Post[];
    let [well, stalled, parted, killed]: Post[] = [];
    let doomed: Known;
    let staying: Known;

    const openPost = async (name: string): Promise<Post> => {
      const url = await stage.startBroker();
      const broker = stage.children.at(-1)!;
      const relay = await startTruthRelay(Number(new URL(stage.server.url).port));
      const port = await freePort();
      const file = stage.at(`${name}.yaml`);
      const settings = {
        server: `http://127.0.0.1:${relay.port}`,
        keyFile: 'edge.key',
        name,
        stateDir: `state-${name}`,
        monitor: { port: await freePort() },
        listeners: [{ protocol: 'mqtt', host: '127.0.0.1', port }],
        upstream: { mqtt: { url } },
      };
      writeFileSync(file, JSON.stringify(settings));
      const program = await startEdgeProgram(file, { listeners: 1 });
      return { name, file, port, broker, brokerPort: Number(new URL(url).port), relay, program, live: new Map() };
    };
    const comeIn = async ({ port, live }: Post, known: Known): Promise<void> => {
      const { name, token: password } = known;
      const will = known === doomed ? `${name}/gone` : undefined;
      live.set(name, await connectDevice({ port, clientId: name, version: 4, password, filter: `${name}/#`, will }));
    };

    beforeAll(async () => {
      stage = await createEdgeStage();
      posts = [];
      for (const name of ['well', 'stalled', 'parted', 'killed']) posts.push(await openPost(name));
      [well, stalled, parted, killed] = posts;
      [doomed, staying] = [await stage.addDevice(), await stage.addDevice()];
      for (const post of posts) {
        await comeIn(post, doomed);
        await comeIn(post, staying);
      }
    });
    afterAll(async () => {
      for (const { program, live, relay } of posts) {
        live.forEach((device) => device.close());
        await program.kill('SIGKILL');
        await relay.stop();
      }
      await stage.stop();
    });

    const revoke = async (device: Known): Promise<number> => {
      const answer = await stage.server.owner.post(`/v1/certificates/${serialOf(device)}/revoke`, {
        reason: 'keyCompromise',
      });
      return answer.body.position as number;
    };
    const receipt = async (position: number) =>
      (await stage.server.owner.get(`/v1/revocations/${position}`)).body as Receipt;
    const namesOf = (edges: { name: string }[]) => edges.map(({ name }) => name).sort();
    /** As if so many milliseconds had passed since edges were last heard: the clock of the database measures their silence. */
    const wereSilentFor = async (names: string[], ms: number): Promise<void> => {
      for (const name of names)
        await stage.server.database.client.$executeRaw`
        UPDATE proxies SET confirmed_at = clock_timestamp() - ${ms} * interval '1 millisecond' WHERE name = ${name}`;
    };
    /** What an edge holds towards a device, and towards its broker. */
    const heldBy = ({ port, brokerPort }: Post, held: HeldSocket[], { localPort }: LiveDevice) => ({
      ofDevice: held.filter(({ local, remote }) => local === port && remote === localPort).length,
      ofBroker: held.filter(({ remote }) => remote === brokerPort).length,
    });

    it('are shown as not enforcing when they were silent for 15 seconds, and enforce when they are back', async () => {
      const away = ['killed', 'parted', 'stalled'];
      const before = await revoke(await stage.addDevice());
      await eventually(
        () => receipt(before),
        ({ enforced }) => enforced,
      );
      const sockets = new Map(posts.map((post) => [post.name, post.live.get(doomed.name)!]));
      stalled!.program.child.kill('SIGSTOP');
      parted!.relay.cut();
      await killed!.program.kill('SIGKILL');
      const silent = await eventually(
        async () => {
          // A report that was on its way may come in between.
          await wereSilentFor(away, 15_001);
          return receipt(before);
        },
        ({ notEnforcedBy }) => notEnforcedBy.length === 3,
      );
      expect([namesOf(silent.enforcedBy), namesOf(silent.notEnforcedBy)]).toEqual([['well'], away]);
      expect(silent.notEnforcedBy.every(({ stale }) => stale)).toBe(true);

      posts.forEach(({ relay }) => relay.forget());
      // The edge takes the will back with a DISCONNECT, and a broker that does not read keeps it waiting for the end: who claims
      // to enforce while it waits is found out.
      posts.forEach(({ broker }) => broker.kill('SIGSTOP'));
      const position = await revoke(doomed);
      await eventually(
        () => receipt(position),
        ({ enforcedBy }) => enforcedBy.length === 1,
      );
      // Whatever they said of their silence: this they do not enforce.
      await wereSilentFor(away, 0);
      expect(namesOf((await receipt(position)).notEnforcedBy)).toEqual(away);
      expect(sockets.get('stalled')!.endedAt()).toBeUndefined();
      expect(sockets.get('parted')!.endedAt()).toBeUndefined();

      stalled!.program.child.kill('SIGCONT');
      parted!.relay.heal();
      killed!.program = await startEdgeProgram(killed!.file, { listeners: 1 });
      await expect(comeIn(killed!, doomed)).rejects.toThrow('CONNACK 5');
      await eventually(
        () => receipt(position),
        ({ enforced }) => enforced,
      );
      for (const post of posts) {
        const claims = post.relay.claims().filter((claim) => claim.position >= position);
        expect(claims, post.name).not.toEqual([]);
        const most = post === killed ? 0 : 1;
        for (const { held } of claims) {
          const { ofDevice, ofBroker } = heldBy(post, held, sockets.get(post.name)!);
          expect([ofDevice, ofBroker <= most], `${post.name} claims what is not so`).toEqual([0, true]);
        }
      }
      for (const device of sockets.values()) await device.ended;
      for (const { name, live } of [well!, stalled!, parted!])
        expect(live.get(staying.name)!.endedAt(), `${name} ended one that may stay`).toBeUndefined();
      posts.forEach(({ broker }) => broker.kill('SIGCONT'));
      await comeIn(killed!, staying);
    });
  },
);
