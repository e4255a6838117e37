import type { Server } from 'node:net';
import type { Readable } from 'node:stream';
import { openLocalHttp } from './local-http.js';
import { openLocalSocket } from './local-socket.js';
import { readMessage } from './message.js';
import type { Outbox } from './outbox.js';
import { createRemark } from './remark.js';
import { readStream } from './stdin.js';

/** Where messages come from. */
export type Inputs = {
  /** `ACCOUNT/THING`. */
  thing: string;
  stdin?: Readable | undefined;
  socket?: string | undefined;
  http?: number | undefined;
  tell(event: object, text: string): void;
  complain(text: string): void;
};

type Options = Inputs & { outbox: Outbox; counts(): object };

/** Opens what messages come in by. @throws AgentError */
export async function openInputs({ thing, stdin, socket, http, outbox, counts, tell, complain }: Options) {
  const servers: Server[] = [];
  const accept = async (octets: Buffer): Promise<string> => {
    const message = readMessage(octets, thing);
    await outbox.keep(message);
    return message.id;
  };
  if (socket !== undefined) {
    servers.push(await openLocalSocket(socket, accept));
    tell({ socket }, `messages are taken on the socket ${socket}`);
  }
  if (http !== undefined) {
    const opened = await openLocalHttp(http, { accept, counts });
    servers.push(...opened.servers);
    tell({ http: opened.port }, `messages are taken at http://127.0.0.1:${opened.port}/publish`);
  }
  const leftOut = createRemark((count, text) =>
    complain(`stdin: ${count === 1 ? 'a line was' : `${count} lines were`} left out: ${text}`),
  );
  const waits = createRemark((_, text) => complain(`stdin: nothing is read for now: ${text}`));
  const reading = async (): Promise<void> => {
    if (!stdin) return;
    await readStream(stdin, {
      read: (octets) => readMessage(octets, thing),
      room: outbox.room,
      keep: outbox.keep,
      waits: (why) => waits.add(1, why),
      refused: (number, { message }) => leftOut.add(1, `line ${number}: ${message}`),
    });
    leftOut.flush();
    tell({ stdinEnded: true }, 'stdin ended: everything that came is in the queue');
  };
  return {
    /** Resolves when stdin ended and is kept. */
    stdinOver: reading(),
    close(): void {
      leftOut.flush();
      stdin?.destroy();
      servers.forEach((server) => server.close());
    },
  };
}
