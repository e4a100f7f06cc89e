import { type Random } from '@flotilla/loadtest-kit';
import { type SimNode, type SimPeer, type World } from './world.ts';

export interface ScenarioOptions {
  readonly nodes: number;
  /** Number of peers at the busiest hour. */
  readonly peers: number;
  readonly hours: number;
  /** Hour of the day at the start. */
  readonly from: number;
  readonly seed: number;
}

const meanStay = 40 * 60;
/** Mean time between events in a fleet of 200 nodes, in seconds. */
const every = {
  joinBurst: 1800,
  death: 2400,
  drain: 1500,
  degradation: 2400,
  slowPath: 40,
  slowNetwork: 20,
  busyRoom: 30,
};
const noisyShare = 0.05;

/** Load over the day: a low at 4 h, a peak from 10 h to 16 h. */
export const daily = (hour: number): number =>
  0.15 + 0.85 * Math.min(1, Math.max(0, 1.3 * Math.sin(((hour - 6) / 15) * Math.PI)));

interface Room {
  readonly id: string;
  readonly size: number;
  members: SimPeer[];
}

/** External events of the fleet: joins and leaves, failures and drains. */
export class Scenario {
  /** Leaving peers, by second. */
  readonly #leaving = new Map<number, SimPeer[]>();
  readonly #open: Room[] = [];
  readonly #noisy = new Set<SimPeer>();
  readonly #slow = new Set<SimPeer>();
  readonly #degradedUntil = new Map<SimNode, number>();
  readonly #busy: { peer: SimPeer; until: number; cpu: number }[] = [];
  #rooms = 0;
  #sessions = 0;
  /** Peers of a burst that have not joined yet. */
  #pendingJoins = 0;
  readonly counts = {
    joins: 0,
    deaths: 0,
    drains: 0,
    degradations: 0,
    joinBursts: 0,
    slowPaths: 0,
    slowNetworks: 0,
    busyRooms: 0,
  };

  constructor(
    private readonly world: World,
    private readonly options: ScenarioOptions,
    private readonly random: Random,
  ) {}

  /** Fills the fleet with the peers of the first hour. */
  begin(): void {
    const there = Math.round(this.options.peers * daily(this.options.from));
    for (let index = 0; index < there; index++) this.#join(0);
    this.world.measure(60);
  }

  step(now: number, seconds: number): void {
    const { random, options } = this;
    const hour = (options.from + now / 3600) % 24;
    this.#leave(now, seconds);
    // Rates of events are per node.
    const share = (seconds * options.nodes) / 200;
    const happens = (each: number): boolean => random.next() < share / each;
    if (happens(every.joinBurst)) {
      this.counts.joinBursts++;
      this.#pendingJoins += Math.round(random.between(0.01, 0.03) * options.peers);
    }
    const burst = Math.min(this.#pendingJoins, Math.ceil((options.peers * 0.001 * seconds) / 2));
    this.#pendingJoins -= burst;
    const joins = burst + random.count(((options.peers * daily(hour)) / meanStay) * seconds);
    for (let index = 0; index < joins && this.world.peers < options.peers; index++) this.#join(now);
    if (happens(every.death)) this.#kill(now);
    if (happens(every.drain)) this.#drain(now);
    if (happens(every.degradation)) this.#degrade(now);
    for (let left = random.count(share / every.slowPath); left > 0; left--) this.#slowDown(now, 'path');
    for (let left = random.count(share / every.slowNetwork); left > 0; left--) this.#slowDown(now, 'network');
    for (let left = random.count(share / every.busyRoom); left > 0; left--) this.#occupy(now);
    this.#endEvents(now);
  }

  #join(now: number): void {
    const { random } = this;
    const room = this.#room();
    const node = this.world.assign(room.members.find(({ left }) => !left)?.node);
    if (!node) return;
    this.counts.joins++;
    const noisy = random.next() < noisyShare;
    const pathRttMs = random.between(8, 120);
    const access = noisy ? random.between(0.3, 0.58) : random.between(0.86, 0.99);
    const peer: SimPeer = {
      roomId: room.id,
      sessionId: `ss_${++this.#sessions}`,
      score: access,
      rttMs: pathRttMs,
      baselineRttMs: pathRttMs,
      pathRttMs,
      node,
      index: 0,
      cpu: random.between(0.002, 0.0085),
      access,
      noisy,
      slow: undefined,
      left: false,
      migrating: false,
    };
    room.members.push(peer);
    if (noisy) this.#noisy.add(peer);
    this.world.add(peer);
    const at = Math.floor(now + 1 + random.exponential(meanStay));
    const others = this.#leaving.get(at);
    if (others) others.push(peer);
    else this.#leaving.set(at, [peer]);
  }

  #room(): Room {
    const { random } = this;
    const at = random.index(this.#open.length + 20);
    const open = this.#open[at];
    if (open) {
      if (open.members.length + 1 >= open.size) {
        this.#open[at] = this.#open.at(-1)!;
        this.#open.pop();
      }
      return open;
    }
    const room = { id: `rm_${++this.#rooms}`, size: 2 + Math.floor(random.exponential(6)), members: [] };
    if (this.#open.length < 500) this.#open.push(room);
    return room;
  }

  #leave(now: number, seconds: number): void {
    for (let second = Math.floor(now - seconds) + 1; second <= now; second++) {
      for (const peer of this.#leaving.get(second) ?? []) this.world.remove(peer);
      this.#leaving.delete(second);
    }
  }

  #anyNode(fits: (node: SimNode) => boolean): SimNode | undefined {
    const { nodes } = this.world;
    for (let tries = 0; tries < 10; tries++) {
      const node = nodes[this.random.index(nodes.length)]!;
      if (fits(node)) return node;
    }
    return undefined;
  }

  #anyPeer(): SimPeer | undefined {
    const node = this.#anyNode(({ alive, peers }) => alive && peers.length > 0);
    return node?.peers[this.random.index(node.peers.length)];
  }

  #kill(now: number): void {
    const node = this.#anyNode(({ alive }) => alive);
    if (!node) return;
    this.counts.deaths++;
    this.world.kill(node, now + this.random.between(300, 1200));
  }

  #drain(now: number): void {
    const node = this.#anyNode(({ alive, state }) => alive && state === 'active');
    if (!node) return;
    this.counts.drains++;
    node.state = 'draining';
    node.drainingSince = now;
  }

  /** A fault of a node (a failing network card, a noisy neighbour) degrades the media of all its peers. */
  #degrade(now: number): void {
    const node = this.#anyNode(({ alive, state, degradation }) => alive && state === 'active' && degradation === 0);
    if (!node) return;
    this.counts.degradations++;
    node.degradation = this.random.between(0.45, 0.6);
    this.#degradedUntil.set(node, now + this.random.between(300, 900));
  }

  /** Raises the round trip of a peer: on the path to its node, or in its own network. */
  #slowDown(now: number, where: 'path' | 'network'): void {
    const peer = this.#anyPeer();
    if (!peer || peer.slow) return;
    this.counts[where === 'path' ? 'slowPaths' : 'slowNetworks']++;
    const until = now + this.random.between(60, 600);
    peer.slow = { factor: this.random.between(3.5, 8), until, via: where === 'path' ? peer.node : undefined };
    this.#slow.add(peer);
    this.world.measureRtt(peer);
  }

  /** The peers of a node temporarily cost more CPU, for example because of a screen share. */
  #occupy(now: number): void {
    const node = this.#anyNode(({ alive, peers }) => alive && peers.length > 0);
    const count = Math.min(node?.peers.length ?? 0, 40);
    if (!node || count === 0) return;
    this.counts.busyRooms++;
    const until = now + this.random.between(120, 900);
    for (const peer of node.peers.slice(0, count)) {
      const more = peer.cpu * this.random.between(0.3, 1.2);
      peer.cpu += more;
      node.used += more;
      this.#busy.push({ peer, until, cpu: more });
    }
  }

  /** Updates noisy peers and ends events that are over. */
  #endEvents(now: number): void {
    const { random, world } = this;
    for (const peer of this.#noisy) {
      if (peer.left) this.#noisy.delete(peer);
      else peer.score = Math.max(0, Math.min(1, peer.access + random.between(-0.15, 0.15) - peer.node.penalty));
    }
    for (const peer of this.#slow) {
      if (!peer.left && peer.slow!.until > now) continue;
      this.#slow.delete(peer);
      peer.slow = undefined;
      world.measureRtt(peer);
    }
    let kept = 0;
    for (const each of this.#busy) {
      const { peer, until, cpu } = each;
      if (!peer.left && until > now) this.#busy[kept++] = each;
      else if (!peer.left) {
        peer.cpu -= cpu;
        peer.node.used -= cpu;
      }
    }
    this.#busy.length = kept;
    for (const [node, until] of this.#degradedUntil) {
      if (until > now && node.alive) continue;
      node.degradation = 0;
      this.#degradedUntil.delete(node);
    }
    for (const node of world.nodes) {
      if (!node.alive && node.backAt <= now) world.revive(node);
      // A drained node becomes active again after its upgrade.
      if (node.state === 'draining' && node.alive && node.peers.length === 0 && node.backAt === Infinity)
        node.backAt = now + 300;
      else if (node.state === 'draining' && node.alive && node.backAt <= now) {
        node.state = 'active';
        node.backAt = Infinity;
      }
    }
  }
}
