/** A signal that comes again so soon is the same one: npm and npx pass on what a terminal has sent to the program already. */
const sameSignalMs = 2000;

/** Calls `stop` at the first SIGTERM or SIGINT, and ends the process with 1 at another one that somebody sends later. */
export function onStopSignal(stop: () => void): void {
  let since: number | undefined;
  const hear = (): void => {
    if (since === undefined) {
      since = performance.now();
      return stop();
    }
    if (performance.now() - since > sameSignalMs) process.exit(1);
  };
  process.on('SIGTERM', hear);
  process.on('SIGINT', hear);
}
