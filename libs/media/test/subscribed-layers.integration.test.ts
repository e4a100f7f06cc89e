import { parseRoomEvents, roomStream } from '@flotilla/bus';
import {
  FlotillaError,
  type Member,
  type RoomEventPayload,
  type RtpParameters,
  startOfStream,
} from '@flotilla/contracts';
import { notYet, waitFor } from '@flotilla/testkit';
import { describe, expect, test, type TestContext } from 'vitest';
import { LocalNodes } from './local-nodes.ts';

const [here, there] = ['nd_a', 'nd_b'] as const;

let ssrc = 500_000;
/** Parameters of a camera in simulcast. */
const simulcast = (layers = 3): RtpParameters => ({
  mid: String(++ssrc),
  codecs: [{ mimeType: 'video/VP8', payloadType: 96, clockRate: 90_000 }],
  encodings: Array.from({ length: layers }, () => ({ ssrc: ++ssrc })),
});

/** A room on two nodes. Each test has its own, as most of their time is that for which a layer stays on. */
async function startRoom({ onTestFinished }: TestContext) {
  const nodes = await LocalNodes.start(here, there);
  onTestFinished(() => nodes.close());
  const publish = async (
    { sessionId }: Member,
    { rtpParameters = simulcast(), publicationId }: { rtpParameters?: RtpParameters; publicationId?: string } = {},
  ): Promise<string> => {
    const { publications } = await nodes.room(here);
    const request = { kind: 'video', source: 'camera', muted: false, rtpParameters, publicationId } as const;
    return (await publications.publish(sessionId, request)).id;
  };
  const subscribe = async (nodeId: string, { sessionId }: Member, id: string): Promise<void> => {
    const { failed } = await (await nodes.room(nodeId)).subscriptions.subscribe(sessionId, [id]);
    expect(failed).toEqual([]);
  };
  const unsubscribe = async (nodeId: string, { sessionId }: Member, id: string): Promise<void> =>
    (await nodes.room(nodeId)).subscriptions.unsubscribe(sessionId, [id]);
  const choose = async (nodeId: string, { sessionId }: Member, id: string, change: object): Promise<void> =>
    (await nodes.room(nodeId)).subscriptions.update(sessionId, [id], change);

  /** What a publisher was notified of. */
  async function notifications(publisher: Member): Promise<RoomEventPayload<'subscribed_layers'>[]> {
    const entries = await nodes.backplane.events.readAfter(roomStream(nodes.roomId), startOfStream, 1000);
    if (entries === 'trimmed') throw new Error('the stream was trimmed');
    return parseRoomEvents(entries).flatMap(({ event }) => {
      if (event.type !== 'subscribed_layers') return [];
      expect(event.only).toEqual([publisher.sessionId]);
      return [event.payload];
    });
  }

  /** Returns a function that waits until a publisher was notified of these layers, one after the other, since the last call. */
  function observe(publisher: Member): (...layers: (number | null)[]) => Promise<void> {
    let seen = 0;
    return async (...layers) => {
      await waitFor(`layers ${JSON.stringify(layers)}`, async () => {
        const now = (await notifications(publisher)).slice(seen).map(({ maxSpatialLayer }) => maxSpatialLayer);
        if (now.length < layers.length) notYet(JSON.stringify(now));
        expect(now).toEqual(layers);
      });
      seen += layers.length;
    };
  }
  return { nodes, publish, subscribe, unsubscribe, choose, notifications, observe };
}

describe.concurrent('the layers of a video that subscriptions use', () => {
  test('its publisher is notified of those of subscribers on its node: pauses, choices, and their end', async (context) => {
    const { nodes, publish, subscribe, unsubscribe, choose, notifications, observe } = await startRoom(context);
    const [ada, bob, eve] = [await nodes.enter(here), await nodes.enter(here), await nodes.enter(here)];
    const notified = observe(ada);
    const id = await publish(ada);
    await notified(null);
    await subscribe(here, bob, id);
    await notified(0);
    await choose(here, bob, id, { paused: false, layers: { spatial: 1 } });
    await notified(1);
    await subscribe(here, eve, id);
    await choose(here, eve, id, { paused: false });
    // Eve chose none.
    await notified(2);
    await choose(here, eve, id, { paused: true });
    await notified(1);
    await unsubscribe(here, bob, id);
    await notified(null);
    const { producerId } = (await nodes.publications())[0]!;
    expect(
      (await notifications(ada)).every((each) => each.publicationId === id && each.producerId === producerId),
    ).toBe(true);
  });

  test('its publisher is notified of those of subscribers on another node', async (context) => {
    const { nodes, publish, subscribe, unsubscribe, choose, observe } = await startRoom(context);
    const [ada, bob] = [await nodes.enter(here), await nodes.enter(there)];
    const notified = observe(ada);
    const id = await publish(ada);
    await notified(null);
    await subscribe(there, bob, id);
    await choose(there, bob, id, { paused: false, layers: { spatial: 0 } });
    await notified(0);
    await choose(there, bob, id, { layers: { spatial: 2 } });
    await notified(2);
    await choose(there, bob, id, { paused: true });
    await notified(null);
    await choose(there, bob, id, { paused: false });
    await notified(2);
    await unsubscribe(there, bob, id);
    await notified(null);
  });

  test('a new producer of the publication begins with all layers', async (context) => {
    const { nodes, publish, subscribe, choose, notifications, observe } = await startRoom(context);
    const [ada, bob] = [await nodes.enter(here), await nodes.enter(here)];
    const notified = observe(ada);
    const id = await publish(ada);
    await subscribe(here, bob, id);
    await choose(here, bob, id, { paused: false, layers: { spatial: 0 } });
    await notified(0);
    await publish(ada, { publicationId: id });
    await subscribe(here, bob, id);
    await choose(here, bob, id, { paused: false, layers: { spatial: 1 } });
    // Not raised from 0 to 1: lowered from all.
    await notified(1);
    const [first, second] = await notifications(ada);
    expect(second!.producerId).not.toBe(first!.producerId);
  });

  test('a node of an earlier version, which reports nothing, uses all layers', async (context) => {
    const { nodes, publish, subscribe, choose, observe } = await startRoom(context);
    nodes.peers.subscribedLayers = () => Promise.reject(new FlotillaError('UNKNOWN_TYPE'));
    const [ada, bob] = [await nodes.enter(here), await nodes.enter(there)];
    const notified = observe(ada);
    const id = await publish(ada);
    await notified(null);
    await subscribe(there, bob, id);
    await choose(there, bob, id, { paused: false, layers: { spatial: 0 } });
    await notified(0, 2);
  });

  test('a report that is not answered is repeated until it is', async (context) => {
    const { nodes, publish, subscribe, choose, observe } = await startRoom(context);
    const answering = { ...nodes.peers };
    let unanswered = 3;
    nodes.peers.subscribedLayers = (...report) =>
      unanswered-- > 0 ? Promise.reject(new FlotillaError('DEADLINE_EXCEEDED')) : answering.subscribedLayers(...report);
    const [ada, bob] = [await nodes.enter(here), await nodes.enter(there)];
    const notified = observe(ada);
    const id = await publish(ada);
    await subscribe(there, bob, id);
    await choose(there, bob, id, { paused: false, layers: { spatial: 1 } });
    await notified(1);
    expect(unanswered).toBeLessThan(0);
  });

  test('of a video in one stream, the publisher is notified whether it is used', async (context) => {
    const { nodes, publish, subscribe, observe } = await startRoom(context);
    const [ada, bob] = [await nodes.enter(here), await nodes.enter(here)];
    const notified = observe(ada);
    const id = await publish(ada, { rtpParameters: simulcast(1) });
    await notified(null);
    await subscribe(here, bob, id);
    await notified(0);
  });
});
