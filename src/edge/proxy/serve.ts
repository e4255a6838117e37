import { onStopSignal } from '../../stopping.js';
import { createEdge } from './create-edge.js';
import type { Tell } from './log.js';

/**
 * Runs the edge of a file of settings until SIGTERM or SIGINT, which drain it; SIGHUP rereads certificates and passwords.
 * Resolves once it listens. @throws EdgeConfigError, Error
 */
export async function serveEdge(config: string, tell: Tell): Promise<void> {
  const edge = await createEdge({ config, tell });
  const close = (): void => {
    tell.info({}, 'the edge drains');
    edge.close().then(
      () => process.exit(0),
      (error: unknown) => {
        tell.error({ err: error }, 'the edge did not close cleanly');
        process.exit(1);
      },
    );
  };
  onStopSignal(close);
  process.on('SIGHUP', () => edge.reload());
}
