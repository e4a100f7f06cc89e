import { newId, type NodeView } from '@flotilla/contracts';
import { nodeReport } from '@flotilla/testkit';
import { expect, test } from 'vitest';
import { FleetView, type PlannerReport } from '../src/fleet-view.ts';

const report = (id: string, sessionIds: readonly string[] = []): PlannerReport => ({
  id,
  capacity: 10,
  load: { cpu: 0.5, workers: [] },
  peers: sessionIds.map((sessionId) => ({ sessionId, roomId: 'rm_a', score: 1, rttMs: 1, baselineRttMs: 1 })),
});
const listed = (id: string): NodeView => ({
  ...nodeReport(id, { state: 'draining' }),
  reserved: 3,
  lastSeenAt: 1,
  alive: true,
});

const assignments = (view: FleetView) =>
  Object.fromEntries(
    view.nodes([], new Set(), new Set(), []).map(({ id, peers }) => [id, peers.map(({ sessionId }) => sessionId)]),
  );

test('a peer that two nodes report is assigned to the newer one, and to the older one when the newer stops reporting it', () => {
  const view = new FleetView();
  const [ada, bob] = [newId('session'), newId('session')];
  view.record(report('nd_a', [ada, bob]));
  view.record(report('nd_b', []));
  view.record(report('nd_b', [ada]));
  view.record(report('nd_a', [ada, bob]));
  expect(assignments(view)).toEqual({ nd_a: [bob], nd_b: [ada] });
  view.record(report('nd_b', []));
  expect(assignments(view)).toEqual({ nd_a: [ada, bob], nd_b: [] });
  view.record(report('nd_b', [ada]));
  view.record(report('nd_a', [bob]));
  expect(assignments(view)).toEqual({ nd_a: [bob], nd_b: [ada] });
});

test('the peers of a node without reports stay assigned to it until another node reports them, they leave, or the node is removed', () => {
  const view = new FleetView();
  const [ada, bob, eve] = [newId('session'), newId('session'), newId('session')];
  view.record(report('nd_a', [ada, bob, eve]));
  view.record(report('nd_b', [ada]));
  view.forgetPeer({ roomId: 'rm_a', sessionId: bob, fromNode: 'nd_a' });
  expect(assignments(view)).toEqual({ nd_a: [eve], nd_b: [ada] });
  view.forget('nd_a');
  expect(assignments(view)).toEqual({ nd_b: [ada] });
});

test('a peer that is forgotten on the newer of two nodes that report it is assigned to the older one, and the newer one has no peers', () => {
  const view = new FleetView();
  const ada = newId('session');
  view.record(report('nd_a', [ada]));
  view.record(report('nd_b', [ada]));
  view.forgetPeer({ roomId: 'rm_a', sessionId: ada, fromNode: 'nd_b' });
  expect(assignments(view)).toEqual({ nd_a: [ada], nd_b: [] });
  expect(view.anyPeer('nd_b')).toBeUndefined();
});

test('reserved capacity and state are those of the store, and a node that is not in the store is no target', () => {
  const view = new FleetView();
  view.record(report('nd_a'));
  view.record(report('nd_b'));
  expect(view.nodes([listed('nd_a')], new Set(['nd_b']), new Set(), [])).toMatchObject([
    { id: 'nd_a', state: 'draining', reserved: 3, alive: true, cpu: 0.5 },
    { id: 'nd_b', state: 'cordoned', reserved: 10, alive: false },
  ]);
});

test('a node whose process is to be emptied is planned as a draining one', () => {
  const view = new FleetView();
  view.record(report('nd_a'));
  view.record(report('nd_b'));
  const nodes = [
    { ...listed('nd_a'), instance: 'pod-a', state: 'cordoned' as const },
    { ...listed('nd_b'), instance: 'pod-b', state: 'active' as const },
  ];
  const states = view.nodes(nodes, new Set(), new Set(['pod-a', 'pod-x']), []).map(({ state }) => state);
  expect(states).toEqual(['draining', 'active']);
});

test('a peer whose migration off a lost node is not committed is assigned to that node, though the new node reports it', () => {
  const view = new FleetView();
  const [ada, bob] = [newId('session'), newId('session')];
  view.record(report('nd_a', [ada, bob]));
  view.record(report('nd_b', [ada, bob]));
  const running = [
    { roomId: 'rm_a', sessionId: ada, fromNode: 'nd_a', toNode: 'nd_b', reason: 'drain' as const },
    { roomId: 'rm_a', sessionId: bob, fromNode: 'nd_c', toNode: 'nd_b', reason: 'drain' as const },
  ];
  const peersOf = (lost: readonly string[]) =>
    view.nodes([], new Set(lost), new Set(), running).map(({ peers }) => peers.map(({ sessionId }) => sessionId));
  expect(peersOf([])).toEqual([[], [ada, bob]]);
  expect(peersOf(['nd_a'])).toEqual([[ada], [bob]]);
});

test('a node is as hot as its hottest worker, which is named unless the rest of its process uses more', () => {
  const view = new FleetView();
  const workers = [
    { pid: 11, cpu: 0.1 },
    { pid: 12, cpu: 0.95 },
  ];
  view.record({ ...report('nd_a'), load: { cpu: 0.5, workers } });
  view.record({ ...report('nd_b'), load: { cpu: 0.5, workers: workers.slice(0, 1) } });
  expect(view.nodes([], new Set(), new Set(), [])).toMatchObject([
    { id: 'nd_a', cpu: 0.95, hottestWorker: 12 },
    { id: 'nd_b', cpu: 0.5, hottestWorker: undefined },
  ]);
});
