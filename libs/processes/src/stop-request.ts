import { constants } from 'node:os';

/**
 * Calls `stop` once, with the exit code that a shell expects: at the first SIGHUP, SIGINT or SIGTERM, or when the process
 * that started this one with an IPC channel has ended. Later requests are ignored.
 */
export function onStopRequest(stop: (exitCode: number) => void): void {
  let requested = false;
  const request = (signal: 'SIGHUP' | 'SIGINT' | 'SIGTERM'): void => {
    if (requested) return;
    requested = true;
    stop(128 + constants.signals[signal]);
  };
  for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const) process.on(signal, request);
  process.once('disconnect', () => request('SIGTERM'));
  // Waiting for that must not keep the process alive.
  process.channel?.unref();
}
