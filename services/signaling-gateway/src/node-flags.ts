/**
 * Node flags of a gateway, for many short garbage collections instead of few long ones, which delay every message. A small
 * young generation (default 16 MiB) is collected in 1 to 3 ms instead of 15. An old generation that may grow threefold before
 * it is marked (V8's default here: 10 to 60 %) is marked a tenth as often. One helper thread instead of four leaves the event
 * loop a core on a machine with two. Cost: CPU, and heap while thousands of clients reconnect. Figures are
 * in docs/decisions/0006.
 */
export const nodeFlags: readonly string[] = [
  '--max-semi-space-size=2',
  '--heap-growing-percent=200',
  '--v8-pool-size=1',
];
