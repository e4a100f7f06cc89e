import type { PlannerSettings } from './settings.ts';
import { peerKey, type PlannerMemory, type PlannerNode, type PlannerPeer } from './state.ts';

/** What is degraded: the score (`quality`) or the round trip (`rtt`). */
export type Degradation = 'quality' | 'rtt';

/** A peer that has been degraded for `degradedForMs`. */
export interface DegradedPeer {
  readonly peer: PlannerPeer;
  readonly key: string;
  readonly degradation: Degradation;
}

/** Diagnosis of a node, from the quality of its peers. */
export interface Examined {
  readonly node: PlannerNode;
  /** Mean score of its peers, without those that are degraded by other causes than the node. 1 without peers. */
  readonly typicalScore: number;
  readonly atFault: boolean;
  readonly degraded: readonly DegradedPeer[];
}

export interface Examination {
  readonly nodes: ReadonlyMap<string, Examined>;
  readonly degraded: ReadonlyMap<string, number>;
  readonly faults: ReadonlyMap<string, number>;
}

/**
 * A low score shows that the path between a peer and its node is bad, but not its cause. The node's other peers do: they share
 * the node and its uplink, and nothing else with the peer. If half of them or more are degraded, the cause is the node, and all
 * of them move. If a few are, the cause is their own access networks, which a move would not change: they stay. One exception:
 * a round trip that rose above the peer's own baseline means that the path was better before, and another node may be reached
 * by another path. Such a peer is moved, at most once per `trialEveryMs`.
 */
const isAtFault = (bad: number, all: number, settings: PlannerSettings): boolean =>
  bad >= settings.faultPeers && bad >= all * settings.faultShare;

function degradationOf(
  peer: PlannerPeer,
  { poorScore, rttFactor, rttRiseMs }: PlannerSettings,
): Degradation | undefined {
  if (peer.rttMs > peer.baselineRttMs + rttRiseMs && peer.rttMs > peer.baselineRttMs * rttFactor) return 'rtt';
  return peer.score < poorScore ? 'quality' : undefined;
}

/** Diagnoses all nodes. Linear in the number of peers. */
export function examine(
  nodes: readonly PlannerNode[],
  memory: PlannerMemory,
  settings: PlannerSettings,
  now: number,
): Examination {
  const examined = new Map<string, Examined>();
  const degraded = new Map<string, number>();
  const faults = new Map([...memory.faults].filter(([, until]) => until > now));
  for (const node of nodes) {
    if (!node.alive) continue;
    let fineSum = 0;
    let badSum = 0;
    const bad: DegradedPeer[] = [];
    for (const peer of node.peers) {
      const degradation = degradationOf(peer, settings);
      if (!degradation) {
        fineSum += peer.score;
        continue;
      }
      badSum += peer.score;
      const key = peerKey(peer);
      degraded.set(key, memory.degraded.get(key) ?? now);
      bad.push({ peer, key, degradation });
    }
    const all = node.peers.length;
    const faulty = isAtFault(bad.length, all, settings);
    if (faulty) faults.set(node.id, now + settings.faultForMs);
    const [sum, count] = faulty ? [fineSum + badSum, all] : [fineSum, all - bad.length];
    examined.set(node.id, {
      node,
      typicalScore: count === 0 ? 1 : sum / count,
      atFault: faults.has(node.id),
      degraded: bad.filter(({ key }) => now - degraded.get(key)! >= settings.degradedForMs),
    });
  }
  return { nodes: examined, degraded, faults };
}
