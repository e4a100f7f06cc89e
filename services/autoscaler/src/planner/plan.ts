import { examine, type Examination } from './examination.ts';
import { Draft } from './draft.ts';
import { replacements, rolloutOf } from './rollout.ts';
import { type PlannerSettings, plannerSettings } from './settings.ts';
import {
  type FleetState,
  type Plan,
  peerKey,
  type PlannerMemory,
  type PlannerNode,
  type PlannerPeer,
} from './state.ts';
import { Targets } from './targets.ts';

/**
 * Looks at the whole fleet and says who shall move where. The same state, memory and time give the same plan; nothing is
 * done here. What is not done by the next time is simply seen again.
 *
 * In this order, as far as places and the bounds allow: peers of lost nodes (largest room first), of draining nodes, off
 * nodes above `hotCpu`, and peers in degradation that another node would serve better.
 *
 * @param now a clock that never goes back, in milliseconds.
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
  emptyDraining(state, draft);
  if (now >= memory.quietUntil) {
    coolHot(state, hot, draft);
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
  const hot = new Map<string, { since: number; gives: boolean }>();
  for (const { id, cpu, alive } of nodes) {
    const known = memory.hot.get(id);
    if (!alive || cpu <= (known?.gives ? coolCpu : hotCpu)) continue;
    const since = known?.since ?? now;
    hot.set(id, { since, gives: now - since >= hotForMs });
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
    draft.forced(peer, id, 'node_lost');
  }
}

function emptyDraining({ nodes }: FleetState, draft: Draft): void {
  for (const { id, state, alive, peers } of nodes) {
    if (!alive || state !== 'draining') continue;
    for (const peer of peers) {
      if (draft.full || !draft.maySend(id)) break;
      draft.forced(peer, id, 'drain');
    }
  }
}

/** Those first who have the fewest of their room beside them: each that stays behind costs a pipe. */
function coolHot({ nodes }: FleetState, hot: PlannerMemory['hot'], draft: Draft): void {
  for (const node of nodes) {
    if (!hot.get(node.id)?.gives || !draft.tooWarm(node.id)) continue;
    const beside = countRooms([node]);
    const order = node.peers.toSorted((a, b) => beside.get(a.roomId)! - beside.get(b.roomId)!);
    for (const peer of order) {
      if (draft.full || !draft.maySend(node.id) || !draft.tooWarm(node.id)) break;
      draft.wanted(peer, peerKey(peer), node.id, 'node_load', -Infinity);
    }
  }
}

function moveDegradedPeers({ nodes }: Examination, draft: Draft): void {
  for (const [id, { degraded, atFault }] of nodes) {
    for (const { peer, key, degradation } of degraded) {
      if (draft.full || !draft.maySend(id)) break;
      // A longer way costs little score at first: any node that is well will do.
      const least = degradation === 'rtt' ? draft.settings.poorScore : peer.score + draft.settings.gain;
      if (atFault) draft.wanted(peer, key, id, degradation, least);
      else if (degradation === 'rtt') draft.tried(peer, key, id, least);
    }
  }
}

function countRooms(nodes: readonly Pick<PlannerNode, 'peers'>[]): Map<PlannerPeer['roomId'], number> {
  const sizes = new Map<string, number>();
  for (const { peers } of nodes) for (const { roomId } of peers) sizes.set(roomId, (sizes.get(roomId) ?? 0) + 1);
  return sizes;
}
