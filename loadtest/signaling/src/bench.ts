import { percentile, runInfo } from '@flotilla/loadtest-kit';
import { notYet, waitFor } from '@flotilla/testkit';
import { RpcChild } from './rpc-child.ts';
import { Histogram } from './histogram.ts';
import type { Options } from './options.ts';
import { busiest, Profiler } from './profiler.ts';
import type { PoolCalls, PoolTick, Side, Verification } from './protocol.ts';
import { sides } from './protocol.ts';
import { type ClientProcess, Recorder } from './recorder.ts';
import { quietShare, type Results, type Second, type SideResult, type Spread, type Turn } from './results.ts';
import { createRooms, type Servers, startServers } from './servers.ts';
import { Tally } from './tally.ts';

const spread = (histogram: Histogram): Spread => ({
  count: histogram.count,
  p50: histogram.percentile(0.5),
  p95: histogram.percentile(0.95),
  p99: histogram.percentile(0.99),
  max: histogram.count === 0 ? null : histogram.max / 1000,
});

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const sumUp = (parts: readonly Verification[], of: (part: Verification) => number): number =>
  parts.reduce((sum, part) => sum + of(part), 0);

/** One run of the benchmark. */
export class Bench {
  readonly #recorder = new Recorder();
  readonly #clients: ClientProcess[] = [];
  readonly #turns: { turn: Turn; tally: Tally }[] = [];
  readonly #profiles: { phase: string; functions: ReturnType<typeof busiest>; raw: unknown }[] = [];
  #servers: Promise<Servers> | undefined;
  #profiler: Profiler | undefined;

  constructor(
    private readonly options: Options,
    private readonly show: (second: Second) => void,
  ) {}

  /** CPU profiles in V8's format, for the DevTools. */
  get profiles(): readonly { phase: string; raw: unknown }[] {
    return this.#profiles;
  }

  async run(): Promise<Results> {
    const { options } = this;
    const recorder = this.#recorder;
    this.#servers = startServers(options, (tick) => recorder.onBareTick(tick));
    const servers = await this.#servers;
    const roomNames = await createRooms(servers.fleet, options.rooms);
    await this.#startClients(servers, roomNames);
    await recorder.start(servers, this.#clients, this.show);
    if (options.profile) this.#profiler = await Profiler.attach(servers.gateway);
    await this.#waitForTicks(2);

    const joins = {} as Record<Side, { seconds: number; rssKb: number }>;
    for (const side of sides) joins[side] = await this.#enter(side);
    await this.#waitForTicks(2);

    const turns = Math.ceil(options.seconds / options.slice);
    for (let turn = 0; turn < turns; turn++) {
      const seconds = Math.min(options.slice, options.seconds - turn * options.slice);
      // A, B, B, A: the order alternates.
      const order = turn % 2 === 0 ? sides : sides.toReversed();
      for (const side of order) await this.#load(side, seconds, turn === 0 && side === 'flotilla');
    }

    recorder.phase = 'count';
    const verified = {} as Record<Side, Verification>;
    for (const side of sides) verified[side] = await this.#verify(side);
    const leaveSeconds = await this.#leave();
    return {
      ...runInfo(),
      tls: servers.ca !== undefined,
      options,
      sides: {
        flotilla: this.#result('flotilla', joins.flotilla, verified.flotilla),
        bare: this.#result('bare', joins.bare, verified.bare),
      },
      turns: this.#turns.map(({ turn }) => turn),
      undisturbedOnly: this.#undisturbedOnly(),
      seconds: recorder.seconds,
      leaveSeconds,
      clientLoopDelayMs: mean(this.#loaded('flotilla').map(({ loopDelayMs }) => loopDelayMs.clients)),
      gcShare: this.#gcShare(),
      profiles: this.#profiles.map(({ phase, functions }) => ({ phase, functions })),
    };
  }

  async #startClients(servers: Servers, roomNames: readonly string[]): Promise<void> {
    const { clients, sessions } = this.options;
    for (let index = 0; index < clients; index++) {
      const name = `clients-${index + 1}`;
      const client = new RpcChild<PoolCalls, PoolTick>(name, './client-process.js', (tick) =>
        this.#recorder.onClientTick(name, tick),
      );
      this.#clients.push(client);
      await client.call('begin', {
        index,
        processes: clients,
        sessions,
        roomNames,
        tokenSecret: servers.fleet.tokenSecret,
        urls: servers.urls,
        ca: servers.ca,
      });
    }
  }

  /** Waits for a number of reports of every client process, so that everything in flight is counted. */
  async #waitForTicks(count: number): Promise<void> {
    const until = this.#recorder.minTicks + count;
    await waitFor('reports of the client processes', () => {
      if (this.#recorder.minTicks < until) notYet(`the slowest is at ${this.#recorder.minTicks} of ${until}`);
    });
  }

  async #enter(side: Side): Promise<{ seconds: number; rssKb: number }> {
    const recorder = this.#recorder;
    recorder.phase = `join: ${side}`;
    const before = recorder.seconds.at(-1)!.rssMb[side];
    const began = performance.now();
    const profiled = side === 'flotilla';
    if (profiled) await this.#profiler?.start();
    await this.#all((client) => client.call('enter', { side, concurrency: this.#share(this.options.burst) }));
    if (profiled) await this.#takeProfile('join');
    const seconds = (performance.now() - began) / 1000;
    await this.#waitForTicks(2);
    const rssKb = ((recorder.seconds.at(-1)!.rssMb[side] - before) * 1024) / Math.max(recorder.joined(side), 1);
    return { seconds, rssKb };
  }

  async #load(side: Side, seconds: number, profiled: boolean): Promise<void> {
    const recorder = this.#recorder;
    const { rate, reconnects, clients } = this.options;
    const tally = new Tally();
    recorder.turn = { side, tally };
    const from = recorder.seconds.length;
    recorder.phase = `load: ${side}`;
    if (profiled) await this.#profiler?.start();
    await this.#all((client) => client.call('play', { side, seconds, rate: rate / clients, reconnects }));
    if (profiled) await this.#takeProfile('load');
    const others = mean(recorder.seconds.slice(from).map(({ cpu }) => cpu.others));
    recorder.phase = 'pause';
    // The last second of a client process may be reported late.
    await this.#waitForTicks(2);
    recorder.turn = undefined;
    this.#turns.push({ turn: { side, others, dispatch: spread(tally.times.dispatch) }, tally });
  }

  async #takeProfile(phase: string): Promise<void> {
    if (!this.#profiler) return;
    const raw = await this.#profiler.stop();
    this.#profiles.push({ phase, functions: busiest(raw, 40), raw });
  }

  async #verify(side: Side): Promise<Verification> {
    const parts = await this.#all((client) => client.call('verify', side));
    return {
      members: sumUp(parts, (part) => part.members),
      joined: sumUp(parts, (part) => part.joined),
      unchecked: sumUp(parts, (part) => part.unchecked),
      acknowledged: sumUp(parts, (part) => part.acknowledged),
      unanswered: sumUp(parts, (part) => part.unanswered),
      lost: sumUp(parts, (part) => part.lost),
      duplicates: sumUp(parts, (part) => part.duplicates),
      outOfOrder: sumUp(parts, (part) => part.outOfOrder),
    };
  }

  /** Closes all sessions at the gateway. */
  async #leave(): Promise<number> {
    this.#recorder.phase = 'leave';
    const began = performance.now();
    await this.#all((client) =>
      client.call('leave', { side: 'flotilla', concurrency: this.#share(this.options.burst) }),
    );
    const seconds = (performance.now() - began) / 1000;
    await this.#waitForTicks(2);
    return seconds;
  }

  #share(ofAll: number): number {
    return Math.max(1, Math.round(ofAll / this.#clients.length));
  }

  #all<T>(work: (client: ClientProcess) => Promise<T>): Promise<T[]> {
    return Promise.all(this.#clients.map(work));
  }

  /** The seconds during a side's turns, without the first of each. */
  #loaded(side: Side): Second[] {
    const { seconds } = this.#recorder;
    const phase = `load: ${side}`;
    return seconds.filter((second, index) => second.phase === phase && seconds[index - 1]?.phase === phase);
  }

  /** Whether both sides had turns in which other programs used less than `quietShare` of the machine. */
  #undisturbedOnly(): boolean {
    return sides.every((side) => this.#turns.some(({ turn }) => turn.side === side && turn.others < quietShare));
  }

  #undisturbedDispatch(side: Side): Histogram {
    const undisturbedOnly = this.#undisturbedOnly();
    const dispatch = new Histogram();
    for (const { turn, tally } of this.#turns) {
      if (turn.side === side && (!undisturbedOnly || turn.others < quietShare)) dispatch.merge(tally.times.dispatch);
    }
    return dispatch;
  }

  #gcShare(): number {
    const loaded = this.#recorder.seconds.filter(({ phase }) => phase.startsWith('load'));
    const [first, last] = [loaded[0], loaded.at(-1)];
    return first && last && last.at > first.at ? (last.gcSeconds - first.gcSeconds) / (last.at - first.at) : 0;
  }

  #result(side: Side, joins: { seconds: number; rssKb: number }, verification: Verification): SideResult {
    const { times, counts } = this.#recorder.totals[side];
    const loaded = this.#loaded(side);
    const joined = loaded.map((second) => second.inRoom[side]);
    const delays = loaded.map((second) => second.loopDelayMs[side]).toSorted((a, b) => a - b);
    return {
      handshake: spread(times.handshake),
      join: spread(times.join),
      reply: spread(times.reply),
      dispatch: spread(times.dispatch),
      undisturbedDispatch: spread(this.#undisturbedDispatch(side)),
      resume: spread(times.resume),
      joinSeconds: joins.seconds,
      joinedMin: Math.min(...joined),
      joinedMean: mean(joined),
      rssPerSessionKb: joins.rssKb,
      cpu: mean(loaded.map((second) => second.cpu[side])),
      loopDelayMs: { typical: percentile(delays, 0.5) ?? 0, worst: delays.at(-1) ?? 0 },
      counts: Object.fromEntries([...counts].sort(([a], [b]) => a.localeCompare(b))),
      verification,
    };
  }

  /** Ends all processes of the run. */
  async stop(): Promise<void> {
    this.#recorder.stop();
    this.#profiler?.close();
    await Promise.all(this.#clients.map((client) => client.stop()));
    // Including servers that are still starting.
    await this.#servers?.then(
      (servers) => servers.stop(),
      () => undefined,
    );
  }
}
