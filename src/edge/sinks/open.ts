import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { EdgeConfig } from '../settings/config.js';
import { sinksOf, type SinkSettings } from '../settings/sink-shapes.js';
import { createDelivery } from './delivery.js';
import type { Driver } from './driver.js';
import { createDriver } from '../sink-kinds/kinds.js';
import { openQueue, type Queue } from './queue.js';
import type { Outgoing, SinkCounts, Sinks } from './sinks.js';

/** What is reported of sinks. */
export type SinkEvents = {
  failed(sink: string, error: Error): void;
  works(sink: string): void;
  /** Messages were dropped since that was said last. */
  dropped(sink: string, messages: number): void;
  /** A sink said that it never takes a message. */
  refused(sink: string, message: { id: string; topic: string }, error: Error | undefined): void;
  /** Messages are kept for sinks that are not in the settings any longer. */
  forgotten(sinks: string[]): void;
};

type Options = {
  config: Pick<EdgeConfig, 'gateway' | 'upstream' | 'name' | 'stateDir'>;
  events: SinkEvents;
  /** Milliseconds since 1970. */
  now(): number;
};

type Open = { queue: Queue; driver: Driver; delivery: ReturnType<typeof createDelivery> };

const nothing: SinkCounts = {
  kept: 0,
  bytes: 0,
  delivered: 0,
  dropped: 0,
  refused: 0,
  damaged: 0,
  connected: false,
  oldestAt: undefined,
};
// What goes into headers, and has to come out the same.
const idForm = /^[\x21-\x7e]{1,256}$/;

/**
 * Opens the sinks of an edge, and continues with what their queues have. One that the settings do not name opens when something is put there.
 * @throws EdgeConfigError for a file that cannot be read, Error for a queue that cannot be used
 */
export async function openSinks({ config, events, now }: Options): Promise<Sinks> {
  const folder = join(config.stateDir, 'sinks');
  const known = new Map(Object.entries(sinksOf(config)));
  const sinks = new Map<string, Promise<Open>>();
  const opened = new Map<string, Open>();
  let closing: Promise<void> | undefined;

  const openOne = async (name: string, settings: SinkSettings): Promise<Open> => {
    const driver = createDriver(settings, clientIdOf(config.name, name));
    const queue = await openQueue(join(folder, name), settings, now);
    let said = 0;
    const sayDropped = (): void => {
      const { dropped } = queue.counts();
      if (dropped > said) events.dropped(name, dropped - said);
      said = Math.max(said, dropped);
    };
    const delivery = createDelivery({
      queue,
      driver,
      perSecond: settings.perSecond,
      failed(error) {
        sayDropped();
        events.failed(name, error);
      },
      works() {
        sayDropped();
        events.works(name);
      },
      refused: (message, error) => events.refused(name, message, error),
    });
    const open = { queue, driver, delivery };
    opened.set(name, open);
    return open;
  };

  const sinkOf = (name: string): Promise<Open> => {
    const settings = known.get(name);
    if (!settings || closing) throw new Error(closing ? 'the edge ends' : `there is no sink ${name}`);
    const open = sinks.get(name) ?? openOne(name, settings);
    sinks.set(name, open);
    open.catch(() => sinks.delete(name));
    return open;
  };

  const close = async (): Promise<void> => {
    const all = await Promise.allSettled(sinks.values());
    await Promise.all(
      all.map(async (each) => {
        if (each.status === 'rejected') return;
        await each.value.delivery.close();
        await each.value.queue.close();
      }),
    );
  };

  mkdirSync(config.stateDir, { recursive: true, mode: 0o700 });
  const kept = existsSync(folder) ? readdirSync(folder) : [];
  const forgotten = kept.filter((name) => !known.has(name));
  if (forgotten.length > 0) events.forgotten(forgotten);
  try {
    for (const name of known.keys()) if (config.gateway?.sinks?.[name] || kept.includes(name)) await sinkOf(name);
  } catch (error) {
    await close();
    throw error;
  }

  return {
    has: (name) => known.has(name),

    async put(name: string, message: Outgoing) {
      if (!idForm.test(message.id)) throw new RangeError('the id of a message has 1 to 256 letters of ASCII');
      const { queue } = await sinkOf(name);
      await queue.put(message);
    },

    counts: () => Object.fromEntries([...known.keys()].map((name) => [name, countsOf(opened.get(name))])),

    reload() {
      let first: unknown;
      for (const { driver } of opened.values())
        try {
          driver.reload();
        } catch (error) {
          first ??= error;
        }
      if (first !== undefined) throw first as Error;
    },

    close: () => (closing ??= close()),
  };
}

function countsOf(open: Open | undefined): SinkCounts {
  if (!open) return nothing;
  const { kept, bytes, dropped, damaged, oldestAt } = open.queue.counts();
  const { delivered, refused } = open.delivery.counts();
  return { kept, bytes, delivered, dropped, refused, damaged, connected: open.driver.isConnected(), oldestAt };
}

/** No thing has such a name, so that no device has this client id. */
export function clientIdOf(edge: string, sink: string): string {
  return `thingward/edge/${edge}/sinks/${sink}`;
}

/** Tries one sink, as who may run now. @throws Error */
export async function trySink(settings: SinkSettings, edge: string, sink: string): Promise<string> {
  const driver = createDriver(settings, `${clientIdOf(edge, sink)}/check`);
  try {
    return await driver.probe();
  } finally {
    await driver.close();
  }
}

/** Reads the files that sinks need. @throws EdgeConfigError for one that cannot be read */
export function requireSinkFiles(config: Pick<EdgeConfig, 'gateway' | 'upstream' | 'name'>): void {
  for (const [name, settings] of Object.entries(sinksOf(config)))
    void createDriver(settings, clientIdOf(config.name, name)).close();
}
