import { onStopRequest } from '@flotilla/processes';

/** Ends a benchmark, and with it every process that it started, when it is asked to stop. */
export function endOnStopRequest(): void {
  onStopRequest((exitCode) => {
    console.error('\nStopped: no results.');
    process.exit(exitCode);
  });
}
