import { fork } from 'node:child_process';

/** One run: what is published, in which pieces. */
export type Run = {
  /** The publishers, by what they publish through. */
  name: string;
  qos: 0 | 1;
  payload: number;
  /** Messages of a write, of those on their way at most, and of those of one publisher that can be told apart. */
  burst: number;
  most: number;
  ring: number;
  seconds: number;
};

/** Publishers and the broker behind, in a process of their own. */
export type Generator = {
  /** The port of the broker. */
  port: number;
  open(through: {
    name: string;
    port: number;
    tls: boolean;
    ca: string;
    clients: { clientId: string; password: string; cert?: string; key?: string }[];
    /** Each subscribes to its own topics. */
    subscribes?: boolean;
  }): Promise<void>;
  /** As many messages as pass. */
  flood(run: Run): Promise<{ messages: number; ms: number }>;
  /** So many messages a second. Milliseconds that they took: to the broker, with QoS 1 until they are acknowledged. */
  pace(run: Run & { perSecond: number }): Promise<{ p50: number; p99: number }>;
  close(group: { name: string }): Promise<void>;
  stop(): void;
};

/** Starts it on the second core. */
export async function startGenerator(): Promise<Generator> {
  const child = fork(new URL('./load.mjs', import.meta.url), { execArgv: [], execPath: process.execPath });
  const waiting = new Map<number, { resolve(result: any): void; reject(error: Error): void }>();
  let last = 0;
  child.on('message', ({ id, result, error }: { id: number; result: unknown; error?: string }) => {
    const { resolve, reject } = waiting.get(id)!;
    waiting.delete(id);
    if (error === undefined) resolve(result);
    else reject(new Error(error));
  });
  child.on('exit', (code) => {
    for (const { reject } of waiting.values()) reject(new Error(`the generator ended with ${code}`));
  });
  const ask =
    (verb: string) =>
    (what: object = {}): Promise<any> =>
      new Promise((resolve, reject) => {
        waiting.set(++last, { resolve, reject });
        child.send({ id: last, verb, ...what });
      });
  const port = (await ask('listen')()) as number;
  return {
    port,
    open: ask('open'),
    flood: ask('flood'),
    pace: ask('pace'),
    close: ask('close'),
    stop: () => void child.kill('SIGKILL'),
  };
}
