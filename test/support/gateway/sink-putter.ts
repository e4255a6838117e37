import { numbered, openTestSinks } from './sink-stage.js';

/** Puts messages into a sink until it is killed, and prints the number of each once it is acknowledged. */
const [stateDir, url, start] = [process.argv[2]!, process.argv[3]!, Number(process.argv[4])];
const { sinks } = await openTestSinks(stateDir, { cloud: { kind: 'mqtt', url, maxBytes: 50_000_000 } });
const priorities = ['low', 'normal', 'high'] as const;
let number = start;

/** One after the other, as an edge does for a device. */
async function putAll(thing: string): Promise<void> {
  for (;;) {
    const own = number++;
    await sinks.put('cloud', numbered(own, thing, priorities[own % 3]));
    process.stdout.write(`${own}\n`);
  }
}

await Promise.all(['pump', 'fan', 'valve', 'lamp'].map(putAll));
