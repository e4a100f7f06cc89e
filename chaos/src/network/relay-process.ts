/** Runs relays until its input ends. Argument: `RelayProcessOptions` as JSON. Writes a line when all listen. */
import type { Delay } from './delay-line.ts';
import { TcpRelay } from './tcp-relay.ts';

export interface RelayProcessOptions {
  readonly relays: readonly { readonly listen: number; readonly host: string; readonly port: number }[];
  readonly up: Delay;
  readonly down: Delay;
}

const { relays, up, down } = JSON.parse(process.argv[2]!) as RelayProcessOptions;
for (const { listen, host, port } of relays) {
  const relay = await TcpRelay.start({ host: '::', port: listen, targets: () => [{ host, port }] });
  relay.impair({ up, down });
}
process.stdin.on('end', () => process.exit(0)).resume();
console.log('ready');
