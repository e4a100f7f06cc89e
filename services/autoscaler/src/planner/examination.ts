import type { PlannerSettings } from './settings.ts';
import { peerKey, type PlannerMemory, type PlannerNode, type PlannerPeer } from './state.ts';

/** What ails a peer. */
export type Trouble = 'quality' | 'rtt';

/** A peer that has been in trouble for `suspectForMs`. */
export interface Suspect {
  readonly peer: PlannerPeer;
  readonly key: string;
  readonly trouble: Trouble;
}

/** What the peers of a node say of it. */
export interface Examined {
  readonly node: PlannerNode;
  /** The mean score of its peers, leaving out those in trouble by no fault of the node. 1 while nobody says otherwise. */
  readonly typicalScore: number;
  readonly atFault: boolean;
  readonly suspects: readonly Suspect[];
}

export interface Examination {
  readonly nodes: ReadonlyMap<string, Examined>;
  readonly suspects: ReadonlyMap<string, number>;
  readonly faults: ReadonlyMap<string, number>;
}

/**
 * A low score says that media travels badly between a peer and its node, not whose fault that is. A node's other peers do:
 * they share the node and its uplink, and nothing else with the peer. Trouble of half of them and more is the node's, and
 * all of them are better off elsewhere. Trouble of a few is that of their own access networks, which they would take with
 * them: they stay. One exception: a round trip that rose against the peer's own baseline tells of a path that was better
 * before, and another node may be reached by another path. That peer is tried elsewhere once in a long while.
 */
const faultOf = (bad: number, all: number, settings: PlannerSettings): boolean =>
  bad >= settings.faultPeers && bad >= all * settings.faultShare;

function troubleOf(peer: PlannerPeer, { poorScore, rttFactor, rttRiseMs }: PlannerSettings): Trouble | undefined {
  if (peer.rttMs > peer.baselineRttMs + rttRiseMs && peer.rttMs > peer.baselineRttMs * rttFactor) return 'rtt';
  return peer.score < poorScore ? 'quality' : undefined;
}

/** Looks at every peer once. */
export function examine(
  nodes: readonly PlannerNode[],
  memory: PlannerMemory,
  settings: PlannerSettings,
  now: number,
): Examination {
  const examined = new Map<string, Examined>();
  const suspects = new Map<string, number>();
  const faults = new Map([...memory.faults].filter(([, until]) => until > now));
  for (const node of nodes) {
    if (!node.alive) continue;
    let fineSum = 0;
    let badSum = 0;
    const bad: Suspect[] = [];
    for (const peer of node.peers) {
      const trouble = troubleOf(peer, settings);
      if (!trouble) {
        fineSum += peer.score;
        continue;
      }
      badSum += peer.score;
      const key = peerKey(peer);
      suspects.set(key, memory.suspects.get(key) ?? now);
      bad.push({ peer, key, trouble });
    }
    const all = node.peers.length;
    const faulty = faultOf(bad.length, all, settings);
    if (faulty) faults.set(node.id, now + settings.faultForMs);
    const [sum, count] = faulty ? [fineSum + badSum, all] : [fineSum, all - bad.length];
    examined.set(node.id, {
      node,
      typicalScore: count === 0 ? 1 : sum / count,
      atFault: faults.has(node.id),
      suspects: bad.filter(({ key }) => now - suspects.get(key)! >= settings.suspectForMs),
    });
  }
  return { nodes: examined, suspects, faults };
}
