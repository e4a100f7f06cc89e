import type { FleetState, PlannerNode, PlannerPeer } from '../src/index.ts';

let sessions = 0;

/** A peer with good quality. */
export const peer = (more: Partial<PlannerPeer> = {}): PlannerPeer => ({
  roomId: 'rm_a',
  sessionId: `ss_${++sessions}`,
  score: 0.95,
  rttMs: 20,
  baselineRttMs: 20,
  ...more,
});
export const peers = (count: number, more: Partial<PlannerPeer> = {}): PlannerPeer[] =>
  Array.from({ length: count }, () => peer(more));
/** A node with free capacity, unless `more` overrides it. */
export const node = (id: string, more: Partial<PlannerNode> = {}): PlannerNode => {
  const its = more.peers ?? [];
  return {
    id,
    cpu: 0.3,
    state: 'active',
    capacity: 100,
    reserved: its.length,
    alive: true,
    startedAt: 0,
    peers: its,
    ...more,
  };
};
export const fleet = (...nodes: PlannerNode[]): FleetState => ({ nodes, moving: [] });
