/** Uses a share of a core until its input ends. Argument: the share in percent. */
const busyMs = Number(process.argv[2]);
const periodMs = 100;

function work(): void {
  const until = performance.now() + busyMs;
  while (performance.now() < until);
  setTimeout(work, Math.max(0, periodMs - busyMs));
}

process.stdin.on('end', () => process.exit(0)).resume();
console.log('ready');
work();
