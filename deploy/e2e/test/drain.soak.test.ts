import type { NodeSummary, RoomSnapshot, Topology } from '@flotilla/contracts';
import { endTransports, LightPeer } from '@flotilla/light-peer';
import { CallPage, launchBrowser, notYet, RawClient, type RestApi, waitFor } from '@flotilla/testkit';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startTestFleet, type TestFleet } from '../src/index.ts';
import { spread } from './spread.ts';

const drained = 'nd_1';
const roomCount = 10;
const peersOfRoom = 5;
/** Default of `drainSeconds` of a drain that is ordered through the REST API, ms. */
const deadlineMs = 60_000;
const joinsAtOnce = 5;

const inMs = (values: readonly number[]): string => `${spread(values)} ms (${values.length})`;

describe('an SFU node with 50 participants is drained', () => {
  let fleet: TestFleet;
  let api: RestApi;
  const peers: LightPeer[] = [];
  /** The call pages are all in the last room, with one light peer. */
  let browser: Browser | undefined;
  const pages: CallPage[] = [];

  beforeEach(async () => {
    fleet = await startTestFleet('drain', { sfuNodes: 3, gateways: 2 });
    ({ api } = fleet);
  });
  afterEach(async () => {
    for (const peer of peers.splice(0)) peer.close();
    pages.length = 0;
    await browser?.close();
    browser = undefined;
    try {
      await fleet?.store.emptied();
    } finally {
      await fleet?.stop();
    }
  });
  afterAll(() => endTransports());

  const order = async (node: string, what: string): Promise<void> => {
    expect(await api.request('POST', `/v1/nodes/${node}/${what}`)).toMatchObject({ status: 200 });
  };
  const nodes = async (): Promise<NodeSummary[]> =>
    ((await api.request('GET', '/v1/nodes')).body as { nodes: NodeSummary[] }).nodes;
  const topology = async (): Promise<Topology> => (await api.request('GET', '/v1/topology')).body as Topology;

  const join = async (index: number): Promise<LightPeer> => {
    const room = `room-${Math.floor(index / peersOfRoom)}`;
    const peer = await LightPeer.join({
      url: fleet.gatewayUrls[index % fleet.gatewayUrls.length]!,
      token: await api.issueToken(room),
      room,
      name: `peer-${index}`,
    });
    peers.push(peer);
    return peer;
  };

  /** The publications of a room by participant. */
  const publishedIn = async (roomId: string): Promise<Map<string, readonly string[]>> => {
    const published = new Map<string, readonly string[]>(
      peers
        .filter((peer) => peer.roomId === roomId)
        .map((peer) => [peer.participantId, [...peer.published.keys()]] as const),
    );
    for (const page of pages) {
      const { id, me } = await page.room();
      if (id === roomId) published.set(me, await page.publicationIds());
    }
    return published;
  };
  const describeOwner = (roomId: string, publicationId: string): string => {
    const owner = peers.find((peer) => peer.roomId === roomId && peer.published.has(publicationId));
    return owner ? `sent by ${owner.name} to ${owner.nodeId}` : 'sent by a browser';
  };
  const roomIds = (): string[] => [...new Set(peers.map(({ roomId }) => roomId))];

  /** Waits until each peer has received 20 more packets of every publication of the others in its room. */
  const allReceiveAll = async (): Promise<void> => {
    const before = new Map(
      peers.flatMap((peer) =>
        peer
          .takeReceived()
          .map(({ publicationId, packets }) => [`${peer.participantId} ${publicationId}`, packets] as const),
      ),
    );
    await waitFor(
      'every peer receives every publication',
      async () => {
        const published = new Map<string, Map<string, readonly string[]>>();
        for (const roomId of roomIds()) published.set(roomId, await publishedIn(roomId));
        for (const peer of peers) {
          const received = new Map(peer.takeReceived().map((each) => [each.publicationId, each.packets]));
          const expected = [...published.get(peer.roomId)!].flatMap(([id, theirs]) =>
            id === peer.participantId ? [] : theirs,
          );
          expect([...received.keys()].toSorted()).toEqual(expected.toSorted());
          for (const [id, packets] of received)
            if (packets < (before.get(`${peer.participantId} ${id}`) ?? 0) + 20)
              notYet(`${peer.name} on ${peer.nodeId} has ${packets} of ${id}, ${describeOwner(peer.roomId, id)}`);
        }
      },
      { timeoutMs: 20_000, everyMs: 200 },
    );
    for (const page of pages) {
      const others = [...pages, ...peers.slice(-1)].filter((other) => other !== page).map(({ name }) => name);
      await page.hasTilesOf(others);
      for (const other of others) await page.receivesMediaOf(other, 30_000);
    }
  };

  /** The snapshot of a room that a new participant gets. */
  const lookInto = async (room: string): Promise<RoomSnapshot> => {
    const client = await RawClient.connect(fleet.gatewayUrls[0]!, { token: await api.issueToken(room) });
    try {
      await client.welcome();
      const { payload } = await client.request('join', { room });
      return (payload as { snapshot: RoomSnapshot }).snapshot;
    } finally {
      client.close();
    }
  };

  test.for([
    { browsers: 0, what: 'fifty light peers' },
    // Four browsers need more CPU than a machine with two cores has left.
    ...(process.env['WITH_BROWSERS'] ? [{ browsers: 4, what: 'forty-six light peers and four browsers' }] : []),
  ])(
    '$what are on other nodes before its deadline, and every call continues',
    { timeout: 180_000 },
    async ({ browsers }) => {
      const lightPeers = roomCount * peersOfRoom - browsers;
      for (const other of ['nd_2', 'nd_3']) await order(other, 'cordon');
      await Promise.all(Array.from({ length: roomCount }, (_, index) => api.createRoom({ name: `room-${index}` })));
      for (let index = 0; index < lightPeers; index += joinsAtOnce)
        await Promise.all(
          Array.from({ length: Math.min(joinsAtOnce, lightPeers - index) }, (_, offset) => join(index + offset)),
        );
      if (browsers > 0) browser = await launchBrowser({ args: ['--use-fake-device-for-media-stream=fps=10'] });
      for (let index = 0; index < browsers; index++)
        pages.push(
          await CallPage.join(browser!, fleet.pageUrl, {
            room: `room-${roomCount - 1}`,
            name: `browser-${index}`,
            camera: { width: 320, height: 180 },
            viewport: { width: 480, height: 360 },
          }),
        );
      const nodesInUse = async (): Promise<Set<string | undefined>> =>
        new Set([...peers, ...(await Promise.all(pages.map((page) => page.room())))].map(({ nodeId }) => nodeId));
      expect(await nodesInUse()).toEqual(new Set([drained]));
      await allReceiveAll();
      for (const other of ['nd_2', 'nd_3']) await order(other, 'uncordon');
      for (const page of pages) await page.watchMoves();
      for (const page of pages) await page.watchFrames();
      for (const peer of peers) peer.takeReceived();
      await new Promise((resolve) => setTimeout(resolve, 3000));
      for (const page of pages) await page.takeFrameGaps();
      const atRest = peers.flatMap((peer) => peer.takeReceived()).map(({ longestGapMs }) => longestGapMs!);

      const began = performance.now();
      await order(drained, 'drain');
      await waitFor(
        `no participant is on ${drained}`,
        async () => {
          const left = peers.filter(({ nodeId }) => nodeId === drained);
          if (left.length > 0) notYet(`${left.length} light peers are on it`);
          if ((await nodesInUse()).has(drained)) notYet('browsers are on it');
        },
        { timeoutMs: deadlineMs },
      );
      const movedMs = performance.now() - began;
      const node = fleet.processes.get(drained)!;
      await waitFor(`the end of the process of ${drained}`, () => node.ended || notYet(node.lines.at(-1)!), {
        timeoutMs: deadlineMs - movedMs,
      });
      expect(await node.exited).toBe(0);
      const emptyMs = performance.now() - began;
      await fleet.store.settled();
      const gaps = peers.flatMap((peer) => peer.takeReceived());
      const frameGaps = (await Promise.all(pages.map((page) => page.takeFrameGaps()))).flat();
      await allReceiveAll();

      const moves = peers.flatMap((peer) => peer.moves);
      const pageMoves = (await Promise.all(pages.map((page) => page.moves()))).flat();
      const gapsOf = (kind: string): number[] =>
        gaps.filter((each) => each.kind === kind).map(({ longestGapMs }) => longestGapMs!);
      console.log(
        [
          `${peers.length + pages.length} peers migrated in ${Math.round(movedMs)} ms, ${drained} ended after ${Math.round(emptyMs)} ms`,
          `one migration: ${inMs(moves.map(({ ms }) => ms))}`,
          ...(['transports', 'firstVideo', 'publish', 'commit'] as const).map(
            (step) => `  ${step}: ${inMs(moves.flatMap(({ steps }) => steps[step] ?? []))}`,
          ),
          `longest gap between packets at rest: ${inMs(atRest)}`,
          `audio during the drain: ${inMs(gapsOf('audio'))}`,
          `video during the drain: ${inMs(gapsOf('video'))}`,
          ...(pages.length > 0
            ? [`longest gap between frames of the browsers: ${inMs(frameGaps.map(({ longest }) => longest))}`]
            : []),
          ...(pages.length > 0 ? [`one migration of a browser: ${inMs(pageMoves.flatMap(({ ms }) => ms ?? []))}`] : []),
          ...[...moves, ...pageMoves].flatMap(({ error }) =>
            error === undefined ? [] : [`a retried migration: ${error}`],
          ),
        ].join('\n'),
      );

      expect(peers.flatMap(({ name, problems }) => problems.map((problem) => `${name}: ${problem}`))).toEqual([]);
      for (const { problems } of pages) expect(problems).toEqual([]);
      const { vertices } = await topology();
      const assignments = vertices.flatMap((each) => (each.kind === 'room' ? [each.assignments] : []));
      for (const { kind, id, ...node } of vertices.filter((each) => each.kind === 'node')) {
        const assigned = assignments.reduce((sum, each) => sum + (each[id] ?? 0), 0);
        expect({ kind, id, reserved: (node as { reserved: number }).reserved }).toEqual({
          kind,
          id,
          reserved: assigned,
        });
        if (id === drained) expect(assigned).toBe(0);
      }
      expect(assignments.map((each) => Object.values(each).reduce((sum, count) => sum + count, 0))).toEqual(
        Array.from({ length: roomCount }, () => peersOfRoom),
      );
      // Two streams of each peer to each of the others, without those of the previous nodes.
      await waitFor('no duplicate sessions, producers and consumers', async () => {
        const loads = (await nodes()).map(({ load }) => load);
        const total = (key: 'sessions' | 'producers' | 'consumers'): number =>
          loads.reduce((sum, load) => sum + load[key], 0);
        const counts = [total('sessions'), total('producers'), total('consumers')];
        const participants = roomCount * peersOfRoom;
        const expected = [participants, participants * 2, participants * 2 * (peersOfRoom - 1)];
        if (String(counts) !== String(expected)) notYet(`sessions, producers, consumers: ${counts.join(', ')}`);
      });
      for (let index = 0; index < roomCount; index++) {
        const { room, participants, publications } = await lookInto(`room-${index}`);
        expect(participants).toHaveLength(peersOfRoom + 1);
        const published = [...(await publishedIn(room.id)).values()].flat();
        expect(publications.map(({ id }) => id).toSorted()).toEqual(published.toSorted());
      }
    },
  );
});
