import { metricsRegistry } from '@flotilla/runtime';
import { type MetadataClient, notYet, UdpRelay, waitFor } from '@flotilla/testkit';
import { afterEach, describe, expect, test } from 'vitest';
import { fleets, Harness } from './harness.ts';

let harness: Harness;
const relays: UdpRelay[] = [];
afterEach(async () => {
  await harness.stop();
  for (const relay of relays.splice(0)) await relay.close();
});

/** A client behind an impairable network path. */
async function clientBehindPath(): Promise<{ client: MetadataClient; path: UdpRelay }> {
  let path: UdpRelay | undefined;
  const client = await harness.client(undefined, {
    detour: async (targetPort) => {
      relays.push((path = await UdpRelay.start({ targetPort })));
      return path.port;
    },
  });
  return { client, path: path! };
}

async function dropped(reason: string): Promise<number> {
  const metric = await metricsRegistry.getSingleMetric('metadata_frames_dropped_total')!.get();
  return metric.values.find(({ labels }) => labels['reason'] === reason)?.value ?? 0;
}

const seqIds = ({ frames }: MetadataClient): number[] =>
  frames.flatMap(({ body }) => (body.case === 'shard' ? [body.value.seqId] : []));

/** The sequence ids in a client's loss notices. */
const reportedLost = ({ frames }: MetadataClient): number[] =>
  frames.flatMap(({ body }) =>
    body.case === 'lossNotice'
      ? Array.from(
          { length: body.value.toSeqId - body.value.fromSeqId + 1 },
          (_, index) => body.value.fromSeqId + index,
        )
      : [],
  );

const fast = {
  FLOTILLA_RELAY_BYTES_PER_SECOND: '100000000',
  FLOTILLA_RELAY_FRAMES_PER_SECOND: '100000',
  FLOTILLA_RELAY_ROOM_BYTES_PER_SECOND: '1000000000',
};

describe('a metadata relay', () => {
  const start = (settings: object = {}): Promise<Harness> => Harness.start(fleets['memory']!, ['rl_a'], settings);

  describe('a slow subscriber', () => {
    test.each(['unreliable', 'limited', 'reliable'] as const)(
      'on the %s channel gets a loss notice for each lost frame and does not slow the others',
      async (channel) => {
        harness = await start(fast);
        const ada = await harness.client();
        const bob = await harness.client();
        const { client: slow, path } = await clientBehindPath();
        const mode = channel === 'limited' ? 'adaptive' : channel;
        await ada.publish('video', { mode });
        for (const client of [bob, slow]) await client.subscribe('*');
        await waitFor('a frame at both subscribers', () => {
          ada.send('video', 'warm', { channel: 'reliable' });
          return (seqIds(bob).length > 0 && seqIds(slow).length > 0) || notYet('not yet');
        });
        path.down.impair({ loss: 0, delayMs: 300, jitterMs: 0 });
        const payload = Buffer.alloc(15_000);
        let last = 0;
        // Each burst is below the limit of a channel's buffer, and their sum is far above it.
        const burst = channel === 'unreliable' ? 2 : 12;
        for (let round = 0; round < 60; round++) {
          for (let index = 0; index < burst; index++) last = ada.send('video', payload, { channel: 'reliable' });
          await waitFor(
            'the burst at the fast subscriber',
            () => seqIds(bob).includes(last) || notYet('not complete'),
            {
              everyMs: 2,
            },
          );
        }
        path.down.impair({ loss: 0, delayMs: 0, jitterMs: 0 });
        await waitFor(
          'new frames at the slow subscriber',
          () => {
            last = ada.send('video', 'after', { channel: 'reliable' });
            return seqIds(slow).includes(last - 1) || notYet(`it has ${seqIds(slow).length} frames`);
          },
          { timeoutMs: 15_000 },
        );
        const got = new Set(seqIds(slow));
        const reported = new Set(reportedLost(slow));
        expect(reported.size).toBeGreaterThan(0);
        const first = Math.min(...got);
        const unreported = Array.from({ length: last - 1 - first }, (_, index) => first + index).filter(
          (seqId) => !got.has(seqId) && !reported.has(seqId),
        );
        // The path itself loses nothing: a relay does not report losses of the network.
        expect(unreported).toEqual([]);
        expect(reportedLost(bob)).toEqual([]);
      },
      40_000,
    );
  });

  describe('an invalid frame', () => {
    test('that is malformed, has a forged stamp, an undeclared topic or too many bytes is dropped and counted', async () => {
      harness = await start();
      const [ada, bob] = [await harness.client(), await harness.client()];
      await bob.subscribe('*');
      await ada.publish('cursor');
      const before = new Map<string, number>();
      for (const reason of ['malformed', 'direction', 'undeclared', 'too-large'])
        before.set(reason, await dropped(reason));
      ada.sendBytes('reliable', Buffer.from('not a frame at all'));
      ada.sendFrame('reliable', {
        body: { case: 'shard', value: { topic: 'cursor', total: 1, size: 1, payload: Buffer.from('x') } },
        stamp: { publisherId: 'pt_somebody', routedAt: 1 },
      });
      ada.sendFrame('reliable', { body: { case: 'lossNotice', value: { topic: 'cursor', publisherId: 'pt_x' } } });
      ada.send('secret', 'x', { channel: 'reliable' });
      ada.sendBytes('reliable', Buffer.alloc(16_300, 1));
      ada.send('cursor', 'fine', { channel: 'reliable' });
      await bob.frame('the valid frame', ({ body }) => body.case === 'shard');
      expect(bob.frames).toHaveLength(1);
      expect(bob.frames[0]!.stamp!.publisherId).not.toBe('pt_somebody');
      const more = async (reason: string): Promise<number> => (await dropped(reason)) - before.get(reason)!;
      await waitFor('the counters', async () => {
        const counts = await Promise.all(['malformed', 'direction', 'undeclared', 'too-large'].map(more));
        if (counts.join() !== '1,2,1,1') notYet(`so far: ${counts.join()}`);
      });
    });

    test('sent 300 times closes the link of its client, and others are still served', async () => {
      harness = await start();
      const [ada, bob, eve] = [await harness.client(), await harness.client(), await harness.client()];
      await bob.subscribe('*');
      await ada.publish('cursor');
      for (let index = 0; index < 300; index++) eve.sendBytes('reliable', Buffer.from('not a frame'));
      await waitFor('the closed link', async () => {
        if (Array.isArray(await eve.subscribe('*').catch((error: Error) => error.message))) notYet('it is open');
      });
      await expect(eve.subscribe('*')).rejects.toThrow('METADATA_NOT_OPEN');
      ada.send('cursor', 'fine', { channel: 'reliable' });
      await bob.frame('the valid frame', ({ body }) => body.case === 'shard');
    });

    test('above the rate of a client is dropped and counted', async () => {
      harness = await start({ FLOTILLA_RELAY_FRAMES_PER_SECOND: '10' });
      const [ada, bob] = [await harness.client(), await harness.client()];
      await bob.subscribe('*');
      await ada.publish('cursor');
      const before = await dropped('rate');
      for (let index = 0; index < 100; index++) ada.send('cursor', 'x', { channel: 'reliable' });
      await waitFor('50 dropped frames', async () => {
        if ((await dropped('rate')) - before < 50) notYet('too few');
      });
      expect(seqIds(bob).length).toBeLessThan(60);
    });

    test('above the rate of a room is dropped and counted, and that of a client that sends little arrives', async () => {
      // Bursts of 200 frames to one subscriber, of which a client that sends many leaves a quarter.
      harness = await start({ FLOTILLA_RELAY_ROOM_BYTES_PER_SECOND: `${512 * 2 * 100}` });
      const [eve, ada, bob] = [await harness.client(), await harness.client(), await harness.client()];
      await bob.subscribe('*');
      await eve.publish('flood');
      await ada.publish('cursor');
      const before = await dropped('room_rate');
      for (let index = 0; index < 400; index++) eve.send('flood', 'x', { channel: 'reliable' });
      await waitFor('100 dropped frames', async () => {
        if ((await dropped('room_rate')) - before < 100) notYet('too few');
      });
      ada.send('cursor', 'still here', { channel: 'reliable' });
      await bob.frame('the frame of the other', ({ body }) => body.case === 'shard' && body.value.topic === 'cursor');
      expect(seqIds(bob).length).toBeLessThan(300);
    });
  });

  describe('a client that reports loss', () => {
    test('gets adaptive topics over the unreliable channel between two switch notices, each frame once', async () => {
      harness = await start(fast);
      const [ada, bob] = [await harness.client(), await harness.client()];
      await bob.subscribe('*');
      await ada.publish('cursor');
      await ada.publish('state', { mode: 'reliable' });
      const stop = new AbortController();
      const sender = (async () => {
        while (!stop.signal.aborted) {
          for (const topic of ['cursor', 'state']) ada.send(topic, 'x', { channel: 'reliable' });
          await new Promise((resolve) => setTimeout(resolve, 2));
        }
      })();
      const switched = (reliable: boolean) =>
        waitFor(
          `the notice of the switch to reliable=${reliable}`,
          async () => {
            await bob.report(reliable ? 20 : 400, reliable ? 0 : 0.3);
            const notice = bob.frames.find(
              ({ body }) => body.case === 'modeSwitch' && body.value.reliable === reliable,
            );
            return notice ?? notYet('not yet');
          },
          { timeoutMs: 25_000, everyMs: 200 },
        );
      const toUnreliable = await switched(false);
      const toReliable = await switched(true);
      const firstOf = (frame: typeof toUnreliable): number => (frame.body.value as { firstSeqId: number }).firstSeqId;
      await waitFor(
        'frames after the switch',
        () => seqIds(bob).includes(firstOf(toReliable) + 5) || notYet('none yet'),
      );
      stop.abort();
      await sender;
      const cursor = bob.frames.flatMap(({ body, channel }) =>
        body.case === 'shard' && body.value.topic === 'cursor' ? [{ seqId: body.value.seqId, channel }] : [],
      );
      const expected = (seqId: number): string =>
        seqId >= firstOf(toUnreliable) && seqId < firstOf(toReliable) ? 'unreliable' : 'limited';
      for (const { seqId, channel } of cursor) expect({ seqId, channel }).toEqual({ seqId, channel: expected(seqId) });
      expect(cursor.map(({ seqId }) => seqId).toSorted((a, b) => a - b)).toEqual(cursor.map((_, index) => index));
      expect(
        bob.frames.every(
          ({ body, channel }) => body.case !== 'shard' || body.value.topic !== 'state' || channel === 'reliable',
        ),
      ).toBe(true);
    }, 60_000);
  });

  describe('a path that loses 20 % of the packets', () => {
    test('loses no frames of the reliable and limited channels, and some of the unreliable one', async () => {
      harness = await start(fast);
      const ada = await harness.client();
      const { client: bob, path } = await clientBehindPath();
      await bob.subscribe('*');
      for (const [topic, mode] of [
        ['l', 'adaptive'],
        ['r', 'reliable'],
        ['u', 'unreliable'],
      ] as const)
        await ada.publish(topic, { mode });
      await waitFor('a frame of each topic', () => {
        for (const topic of ['l', 'r', 'u']) ada.send(topic, 'x', { channel: 'reliable' });
        return bob.frames.length >= 3 || notYet(`there are ${bob.frames.length}`);
      });
      path.down.impair({ loss: 0.2, delayMs: 5, jitterMs: 0 });
      const last: Record<string, number> = {};
      for (let index = 0; index < 200; index++) {
        for (const topic of ['l', 'r', 'u']) last[topic] = ada.send(topic, 'x', { channel: 'reliable' });
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      const got = (topic: string): number[] =>
        bob.frames.flatMap(({ body }) =>
          body.case === 'shard' && body.value.topic === topic ? [body.value.seqId] : [],
        );
      await waitFor(
        'the last frames of the ordered channels',
        () => (got('l').includes(last['l']!) && got('r').includes(last['r']!)) || notYet('not yet'),
        {
          timeoutMs: 20_000,
        },
      );
      for (const topic of ['l', 'r']) expect(new Set(got(topic)).size).toBe(last[topic]! + 1 - got(topic)[0]!);
      expect(got('u').length).toBeLessThan(195);
      expect(got('u').length).toBeGreaterThan(50);
    }, 40_000);
  });
});
