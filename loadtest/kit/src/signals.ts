/** Lets Ctrl-C end a benchmark and all it started: what runs beside it is ended when the process exits, not when a signal kills it. */
export function endOnSignal(): void {
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)
    process.on(signal, () => {
      console.error('\nStopped: no results.');
      process.exit(code);
    });
}
