import type { AgentOptions } from './agent.js';
import type { Serving } from './commands/serve.js';
import { createCommands } from './commands/serve.js';
import { openFolder } from './folder.js';
import { createLineKeeper, type Edge } from './line/keep.js';
import { openPublishing, type Publishing } from './publish/publishing.js';
import { createServerClock } from './server-time.js';

/** What a device does with an edge. */
export type SessionOptions = {
  edge: Edge;
  commands?: Pick<Serving, 'program' | 'programMs'> | undefined;
  publishing: Omit<Publishing, 'thing' | 'tell' | 'complain'>;
  tell(event: object, text: string): void;
  complain(text: string): void;
};

/** Speaks with an edge: publishes what comes in, and takes commands. @throws AgentError */
export async function openSession(
  options: AgentOptions,
  { edge, publishing, tell, complain, ...wanted }: SessionOptions,
) {
  const { account, name } = openFolder(options.out).requireIdentity().state.thing;
  const thing = `${account}/${name}`;
  const commands =
    wanted.commands && createCommands({ ...wanted.commands, thing, now: createServerClock(options), tell });
  const outbound = await openPublishing(options, { ...publishing, thing, tell, complain });
  const keeper = createLineKeeper(options, edge, {
    filter: commands?.filter,
    ready(line, greeting) {
      tell({ connected: true }, `connected to the edge${commands ? ': commands are taken' : ''}`);
      commands?.use(line);
      outbound.use(line, greeting);
    },
    over: outbound.stop,
    subscribed(isAllowed) {
      if (!isAllowed)
        complain(`commands: this device may not subscribe to ${commands!.filter}; asking again in a minute`);
    },
    message: (topic, payload) => commands?.take(topic, payload),
    complain,
  });
  return {
    /** The certificate is another. */
    renewed: (): void => keeper.again(),
    /** Resolves when everything is published, with `exitWhenEmpty`. */
    async run(): Promise<void> {
      try {
        await Promise.race([outbound.over, keeper.run()]);
      } finally {
        keeper.stop();
        await outbound.close();
      }
    },
  };
}
