import type { RpcChild } from './rpc-child.ts';
import { MachineProbe, MetricsProbe, ProcessProbe } from './probe.ts';
import type { BareTick, PoolCalls, PoolTick, Side } from './protocol.ts';
import type { Second } from './results.ts';
import type { Servers } from './servers.ts';
import { Tally } from './tally.ts';

export type ClientProcess = RpcChild<PoolCalls, PoolTick>;

/** Collects, every second, the measurements of the clients and the resource usage of the servers. */
export class Recorder {
  readonly seconds: Second[] = [];
  readonly totals: Readonly<Record<Side, Tally>> = { flotilla: new Tally(), bare: new Tally() };
  /** The current turn, whose side's measurements are added to its tally. */
  turn: { readonly side: Side; readonly tally: Tally } | undefined;
  phase = 'start';
  #window: Record<Side, Tally> = { flotilla: new Tally(), bare: new Tally() };
  readonly #joined = new Map<string, Readonly<Record<Side, number>>>();
  readonly #clientDelays = new Map<string, number>();
  readonly #ticks = new Map<string, number>();
  #bareDelay = 0;
  #timer: NodeJS.Timeout | undefined;
  readonly #began = performance.now();

  onClientTick(name: string, { sides, loopDelayMs }: PoolTick): void {
    this.#ticks.set(name, (this.#ticks.get(name) ?? 0) + 1);
    this.#joined.set(name, { flotilla: sides.flotilla.joined, bare: sides.bare.joined });
    this.#clientDelays.set(name, loopDelayMs);
    for (const side of ['flotilla', 'bare'] as const) {
      const { tally } = sides[side];
      this.totals[side].add(tally);
      this.#window[side].add(tally);
      if (this.turn?.side === side) this.turn.tally.add(tally);
    }
  }

  onBareTick({ loopDelayMs }: BareTick): void {
    this.#bareDelay = loopDelayMs;
  }

  /** Number of reports of the slowest client process. */
  get minTicks(): number {
    // Math.min of an empty list is Infinity.
    return this.#ticks.size === 0 ? 0 : Math.min(...this.#ticks.values());
  }

  joined(side: Side): number {
    return [...this.#joined.values()].reduce((sum, joined) => sum + joined[side], 0);
  }

  /** Samples all processes once per second. */
  async start(servers: Servers, clients: readonly ClientProcess[], onSecond: (second: Second) => void): Promise<void> {
    const pids = { flotilla: servers.gateway, registry: servers.fleet.processes.get('registry-1')! };
    const processes = {
      flotilla: new ProcessProbe([pids.flotilla.process.pid!]),
      bare: new ProcessProbe([servers.bare.pid]),
      registry: new ProcessProbe([pids.registry.process.pid!]),
      clients: new ProcessProbe(clients.map(({ pid }) => pid)),
    };
    const machine = new MachineProbe();
    const metrics = await MetricsProbe.of(servers.gateway);
    let sampling = false;
    this.#timer = setInterval(() => {
      if (sampling) return;
      sampling = true;
      metrics
        .sample()
        .then((gateway) => {
          const window = this.#window;
          this.#window = { flotilla: new Tally(), bare: new Tally() };
          const spent = {
            flotilla: processes.flotilla.sample(),
            bare: processes.bare.sample(),
            registry: processes.registry.sample(),
            clients: processes.clients.sample(),
          };
          const second = this.#second(window, spent, machine.sample(), gateway);
          this.seconds.push(second);
          onSecond(second);
        })
        // A gateway that is too busy to serve /metrics leaves a gap in the plots.
        .catch((error: unknown) => console.error(`  second not sampled: ${String(error)}`))
        .finally(() => (sampling = false));
    }, 1000);
  }

  #second(
    window: Readonly<Record<Side, Tally>>,
    spent: Record<Side | 'registry' | 'clients', { cpu: number; rssMb: number }>,
    machine: { busy: number; others: number },
    gateway: Awaited<ReturnType<MetricsProbe['sample']>>,
  ): Second {
    const joins = window[this.phase.endsWith('bare') ? 'bare' : 'flotilla'].times.join;
    const dispatch = (side: Side): Second['dispatch'][Side] => ({
      p50: window[side].times.dispatch.percentile(0.5),
      p99: window[side].times.dispatch.percentile(0.99),
    });
    const { flotilla, bare, registry, clients } = spent;
    return {
      at: (performance.now() - this.#began) / 1000,
      phase: this.phase,
      inRoom: { flotilla: this.joined('flotilla'), bare: this.joined('bare') },
      joined: joins.count,
      join: { p50: joins.percentile(0.5), p99: joins.percentile(0.99) },
      dispatch: { flotilla: dispatch('flotilla'), bare: dispatch('bare') },
      cpu: {
        flotilla: flotilla.cpu,
        bare: bare.cpu,
        registry: registry.cpu,
        clients: clients.cpu,
        machine: machine.busy,
        others: machine.others,
      },
      rssMb: { flotilla: flotilla.rssMb, bare: bare.rssMb },
      loopDelayMs: {
        flotilla: gateway.loopDelayMs,
        bare: this.#bareDelay,
        clients: Math.max(...this.#clientDelays.values()),
      },
      heapMb: gateway.heapMb,
      gcSeconds: gateway.gcSeconds,
    };
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
