import { onStopRequest } from '@flotilla/processes';

/** Ends a benchmark and its child processes on a stop request (see `onStopRequest`). */
export function endOnStopRequest(): void {
  onStopRequest((exitCode) => {
    console.error('\nStopped: no results.');
    process.exit(exitCode);
  });
}
