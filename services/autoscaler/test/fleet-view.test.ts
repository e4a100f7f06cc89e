import { newId, type NodeStats, type NodeView, participantIdOf, type PeerQuality } from '@flotilla/contracts';
import { expect, test } from 'vitest';
import { FleetView } from '../src/fleet-view.ts';

const quality = (sessionId: string): PeerQuality => ({
  sessionId,
  participantId: participantIdOf(sessionId),
  roomId: 'rm_a',
  score: 1,
  group: 'stable',
  loss: 0,
  rttMs: 1,
  jitterMs: 1,
  baselineRttMs: 1,
});
const stats = (id: string, sessionIds: readonly string[] = []): NodeStats => ({
  id,
  startedAt: 1,
  capacity: 10,
  state: 'active',
  load: { cpu: 0.5, eventLoopDelayMs: 0, workers: [], sessions: 0, producers: 0, consumers: 0, pipes: 0 },
  peers: sessionIds.map(quality),
});
const listed = (id: string): NodeView => ({
  ...stats(id),
  rtpCapabilities: {},
  state: 'draining',
  reserved: 3,
  lastSeenAt: 1,
  alive: true,
});

const homes = (view: FleetView) =>
  Object.fromEntries(view.nodes([], new Set()).map(({ id, peers }) => [id, peers.map(({ sessionId }) => sessionId)]));

test('a peer that two nodes report is where it came to last, and back when that came to nothing', () => {
  const view = new FleetView();
  const [ada, bob] = [newId('session'), newId('session')];
  view.take(stats('nd_a', [ada, bob]));
  view.take(stats('nd_b', []));
  view.take(stats('nd_b', [ada]));
  view.take(stats('nd_a', [ada, bob]));
  expect(homes(view)).toEqual({ nd_a: [bob], nd_b: [ada] });
  view.take(stats('nd_b', []));
  expect(homes(view)).toEqual({ nd_a: [ada, bob], nd_b: [] });
  view.take(stats('nd_b', [ada]));
  view.take(stats('nd_a', [bob]));
  expect(homes(view)).toEqual({ nd_a: [bob], nd_b: [ada] });
});

test('the peers of a silent node stay its own until they are seen elsewhere, leave, or it is forgotten', () => {
  const view = new FleetView();
  const [ada, bob, eve] = [newId('session'), newId('session'), newId('session')];
  view.take(stats('nd_a', [ada, bob, eve]));
  view.take(stats('nd_b', [ada]));
  view.forgetPeer({ roomId: 'rm_a', sessionId: bob, fromNode: 'nd_a' });
  expect(homes(view)).toEqual({ nd_a: [eve], nd_b: [ada] });
  view.forget('nd_a');
  expect(homes(view)).toEqual({ nd_b: [ada] });
});

test('places and state are what the store says; a node that took itself off gets nobody', () => {
  const view = new FleetView();
  view.take(stats('nd_a'));
  view.take(stats('nd_b'));
  expect(view.nodes([listed('nd_a')], new Set(['nd_b']))).toMatchObject([
    { id: 'nd_a', state: 'draining', reserved: 3, alive: true, cpu: 0.5 },
    { id: 'nd_b', state: 'cordoned', reserved: 10, alive: false },
  ]);
});
