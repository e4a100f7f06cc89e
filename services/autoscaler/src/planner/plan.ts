import { examine, type Examination } from './examination.ts';
import { Draft } from './draft.ts';
import { replacements, rolloutOf } from './rollout.ts';
import { type PlannerSettings, plannerSettings } from './settings.ts';
import {
  type FleetState,
  type Plan,
  peerKey,
  peersThatHeat,
  type PlannerMemory,
  type PlannerNode,
  type PlannerPeer,
} from './state.ts';
import { Targets } from './targets.ts';

/**
 * Plans migrations from the state of the whole fleet. A pure function: the same state, memory and time give the same plan. Level-based:
 * what is not carried out is planned again the next time.
 *
 * Order of the migrations, within capacity and bounds: peers of lost nodes (largest room first), peers of draining nodes, peers of nodes
 * above `hotCpu`, degraded peers that another node would serve better.
 *
 * @param now time of a monotonic clock, in milliseconds.
 */
export function plan(
  state: FleetState,
  remembered: PlannerMemory,
  now: number,
  settings: PlannerSettings = plannerSettings,
): Plan {
  const memory =
    now - remembered.at > settings.unseenMs ? { ...remembered, hot: new Map(), degraded: new Map() } : remembered;
  const examination = examine(state.nodes, memory, settings, now);
  const hot = hotNodes(state, memory, settings, now);
  const rollout = rolloutOf(state, memory, settings, now);
  const preferred = replacements(state, rollout, settings);
  const targets = new Targets(examination, state, memory, { settings, now, preferred });
  const draft = new Draft(state, memory, settings, now, targets);

  evacuateLostNodes(state, draft);
  evacuateDrainingNodes(state, draft);
  if (now >= memory.quietUntil) {
    rebalanceHotNodes(state, hot, draft);
    moveDegradedPeers(examination, draft);
  }
  return draft.finish({ hot, degraded: examination.degraded, faults: examination.faults, rollout });
}

function hotNodes(
  { nodes }: FleetState,
  memory: PlannerMemory,
  { hotCpu, hotForMs, coolCpu }: PlannerSettings,
  now: number,
): PlannerMemory['hot'] {
  const hot = new Map<string, { since: number; rebalances: boolean }>();
  for (const { id, cpu, alive } of nodes) {
    const known = memory.hot.get(id);
    if (!alive || cpu <= (known?.rebalances ? coolCpu : hotCpu)) continue;
    const since = known?.since ?? now;
    hot.set(id, { since, rebalances: now - since >= hotForMs });
  }
  return hot;
}

function evacuateLostNodes({ nodes }: FleetState, draft: Draft): void {
  const lost = nodes.filter(({ alive, peers }) => !alive && peers.length > 0);
  if (lost.length === 0) return;
  const sizes = countRooms(nodes);
  const largestFirst = lost
    .flatMap(({ id, peers }) => peers.map((peer) => ({ id, peer, size: sizes.get(peer.roomId)! })))
    .sort((a, b) => b.size - a.size || (a.peer.roomId < b.peer.roomId ? -1 : a.peer.roomId > b.peer.roomId ? 1 : 0));
  for (const { id, peer } of largestFirst) {
    if (draft.full) return;
    draft.addMandatory(peer, id, 'node_lost');
  }
}

function evacuateDrainingNodes({ nodes }: FleetState, draft: Draft): void {
  for (const { id, state, alive, peers } of nodes) {
    if (!alive || state !== 'draining') continue;
    for (const peer of peers) {
      if (draft.full || !draft.maySend(id)) break;
      draft.addMandatory(peer, id, 'drain');
    }
  }
}

/** Peers of the hottest worker with the fewest others of their room on the node move first: a room that is split between two nodes needs a pipe. */
function rebalanceHotNodes({ nodes }: FleetState, hot: PlannerMemory['hot'], draft: Draft): void {
  for (const node of nodes) {
    if (!hot.get(node.id)?.rebalances || !draft.isAboveCool(node.id)) continue;
    const sizes = countRooms([node]);
    const order = peersThatHeat(node).toSorted((a, b) => sizes.get(a.roomId)! - sizes.get(b.roomId)!);
    for (const peer of order) {
      if (draft.full || !draft.maySend(node.id) || !draft.isAboveCool(node.id)) break;
      draft.addOptional(peer, peerKey(peer), node.id, 'node_load', -Infinity);
    }
  }
}

function moveDegradedPeers({ nodes }: Examination, draft: Draft): void {
  for (const [id, { degraded, atFault }] of nodes) {
    for (const { peer, key, degradation } of degraded) {
      if (draft.full || !draft.maySend(id)) break;
      // A longer round trip lowers the score only slightly, so a gain is not required of the target.
      const minScore = degradation === 'rtt' ? draft.settings.poorScore : peer.score + draft.settings.gain;
      if (atFault) draft.addOptional(peer, key, id, degradation, minScore);
      else if (degradation === 'rtt') draft.addTrial(peer, key, id, minScore);
    }
  }
}

function countRooms(nodes: readonly Pick<PlannerNode, 'peers'>[]): Map<PlannerPeer['roomId'], number> {
  const sizes = new Map<string, number>();
  for (const { peers } of nodes) for (const { roomId } of peers) sizes.set(roomId, (sizes.get(roomId) ?? 0) + 1);
  return sizes;
}
