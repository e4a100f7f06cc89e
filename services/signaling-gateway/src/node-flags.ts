/**
 * How Node runs a gateway: so that garbage is collected in many short pauses instead of a few long ones, in which every message
 * waits. A small young generation (default 16 MiB) makes its collections 1 to 3 ms instead of 15; an old generation that may
 * grow threefold before all of it is marked (default: by what V8 sees of the load, here 10 to 60 %) has that done ten times as
 * seldom. One helper thread in place of four, which leave the event loop no core to run on where there are two. Figures are in
 * docs/decisions/0006. The price: 2 % of a core, and up to 300 MB while thousands reconnect.
 */
export const nodeFlags: readonly string[] = [
  '--max-semi-space-size=2',
  '--heap-growing-percent=200',
  '--v8-pool-size=1',
];
