import { versionOf } from '@flotilla/contracts';
import { peerKey } from '../planner/state.ts';

/** The part of a node's report that is sampled. */
export interface SampledReport {
  readonly id: string;
  readonly revision?: string | undefined;
  readonly peers: readonly {
    readonly roomId: string;
    readonly sessionId: string;
    readonly score: number;
    readonly loss: number;
  }[];
}

/** What one participant experienced in its first `sampleMs`. */
export interface PeerSample {
  readonly version: string;
  /** Mean score, 0 to 1. */
  readonly score: number;
  /** Mean share of lost packets. */
  readonly loss: number;
}

interface Measured {
  readonly node: string;
  readonly version: string;
  readonly since: number;
  reports: number;
  scores: number;
  losses: number;
}

/** Most participants that are remembered as sampled; the oldest are forgotten. */
const maxSampled = 100_000;

/**
 * Takes one sample of each participant: its reports differ little from each other, and would count as many participants. Only those
 * whose arrival is seen are sampled, on the node of their arrival: who was there before, or was migrated, was not assigned at random.
 */
export class Samples {
  readonly #measured = new Map<string, Measured>();
  readonly #sampled = new Set<string>();
  /** Nodes that reported since the start. */
  readonly #known = new Set<string>();

  constructor(private readonly sampleMs: number) {}

  /** Starts again: participants that are present are not sampled. */
  restart(): void {
    this.#measured.clear();
    this.#known.clear();
  }

  /** Records a report, and returns the samples that it completes. */
  record({ id, peers, ...report }: SampledReport, now: number): PeerSample[] {
    const isFirst = !this.#known.has(id);
    this.#known.add(id);
    const present = new Set<string>();
    const complete: PeerSample[] = [];
    for (const peer of peers) {
      const key = peerKey(peer);
      present.add(key);
      if (isFirst) this.#remember(key);
      const measured = this.#measured.get(key) ?? this.#begin(key, id, versionOf(report), now);
      if (measured?.node !== id) continue;
      measured.reports++;
      measured.scores += peer.score;
      measured.losses += peer.loss;
      if (now - measured.since >= this.sampleMs) complete.push(this.#end(key, measured));
    }
    // Who left early counts from half the time on: leaving may be what a bad version makes people do.
    for (const [key, measured] of this.#measured) {
      if (measured.node !== id || present.has(key)) continue;
      const sample = this.#end(key, measured);
      if (now - measured.since >= this.sampleMs / 2) complete.push(sample);
    }
    return complete;
  }

  #begin(key: string, node: string, version: string, now: number): Measured | undefined {
    if (this.#sampled.has(key)) return undefined;
    const measured: Measured = { node, version, since: now, reports: 0, scores: 0, losses: 0 };
    this.#measured.set(key, measured);
    return measured;
  }

  #end(key: string, { version, reports, scores, losses }: Measured): PeerSample {
    this.#measured.delete(key);
    this.#remember(key);
    return { version, score: scores / reports, loss: losses / reports };
  }

  #remember(key: string): void {
    this.#sampled.add(key);
    if (this.#sampled.size <= maxSampled) return;
    const [oldest] = this.#sampled;
    this.#sampled.delete(oldest!);
  }
}
