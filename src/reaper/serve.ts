import type { Tell } from '../edge/proxy/log.js';
import { onStopSignal } from '../stopping.js';
import { openReaper } from './reaper.js';
import { loadReaperConfig, type Variable } from './settings/config.js';

/** Runs the reaper of a file of settings until SIGTERM or SIGINT, which drain it. Resolves once it follows. @throws EdgeConfigError, Error */
export async function serveReaper(file: string, variable: Variable, tell: Tell): Promise<void> {
  const reaper = await openReaper({ config: loadReaperConfig(file), variable, tell });
  onStopSignal(() => {
    tell.info({}, 'the reaper drains');
    reaper.close().then(
      () => process.exit(0),
      (error: unknown) => {
        tell.error({ err: error }, 'the reaper did not close cleanly');
        process.exit(1);
      },
    );
  });
}
