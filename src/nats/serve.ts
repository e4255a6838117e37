import { fromSeed } from '@nats-io/nkeys';
import { connect } from '@nats-io/transport-node';
import type { Tell } from '../edge/proxy/log.js';
import { onStopSignal } from '../stopping.js';
import { createCallout } from './callout.js';
import { loadNatsConfig, type NatsConfig } from './config.js';
import { createQuestion } from './question.js';

const subject = '$SYS.REQ.USER.AUTH';
// Several callouts share the questions.
const queue = 'thingward';
const reconnectMs = 1000;

/** A callout that answers. */
export type OpenCallout = { close(): Promise<void> };

/** Connects to NATS and answers its questions about logins until it is closed. @throws Error when NATS cannot be reached or refuses */
export async function openCallout({ server, key, timeout, nats }: NatsConfig, tell: Tell): Promise<OpenCallout> {
  const { url, username, password, ca, account, seed } = nats;
  const answer = createCallout({
    ask: createQuestion({ server, key, timeout }),
    issuer: fromSeed(new TextEncoder().encode(seed)),
    account,
    onFailure: (error) => tell.error({ err: error }, 'a login could not be decided, and was refused'),
  });
  const connection = await connect({
    servers: url,
    user: username,
    pass: password,
    maxReconnectAttempts: -1,
    reconnectTimeWait: reconnectMs,
    ...(url.startsWith('tls:') ? { tls: ca === undefined ? {} : { ca } } : {}),
  });
  connection.subscribe(subject, {
    queue,
    callback(error, message) {
      if (error) return tell.error({ err: error }, 'NATS does not let the callout listen');
      answer(message.string()).then(
        (said) => said !== undefined && message.respond(said),
        (failure: unknown) => tell.error({ err: failure }, 'a login could not be answered'),
      );
    },
  });
  await connection.flush();
  // A server that is gone has closed it.
  return { close: async () => (connection.isClosed() ? undefined : connection.drain()) };
}

/** Runs the callout of a file of settings until SIGTERM or SIGINT. Resolves once it answers. @throws EdgeConfigError, Error */
export async function serveNatsCallout(file: string, tell: Tell): Promise<void> {
  const callout = await openCallout(loadNatsConfig(file), tell);
  tell.info({}, 'the callout answers NATS');
  onStopSignal(() => {
    callout.close().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  });
}
