import type { ChannelKind } from '@flotilla/contracts';
import { decodeFrame, encodeFrame, stampFrame } from '@flotilla/data-channel';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import type { Outlet } from '../src/routing/outlet.ts';
import { RoomRouting } from '../src/routing/room-routing.ts';

/** Model of a mediasoup worker: delivers each frame over the channels that have its subchannel and are not paused. */
class ModelWorker implements Outlet {
  /** By `<link> <channel>`. */
  readonly subchannels = new Map<string, Set<number>>();
  readonly paused = new Set<string>();
  readonly delivered: { link: string; channel: ChannelKind; seqId: number }[] = [];
  readonly lossNotices: { link: string; from: number; to: number }[] = [];
  /** Channels with an unanswered query. */
  readonly queried = new Set<string>();

  fanOut(frame: Uint8Array, subchannel: number): void {
    const { body } = decodeFrame(frame, 'relay');
    if (body.case !== 'shard') return;
    for (const [key, subchannels] of this.subchannels) {
      const [link, channel] = key.split(' ') as [string, ChannelKind];
      if (subchannels.has(subchannel) && !this.paused.has(key))
        this.delivered.push({ link, channel, seqId: body.value.seqId });
    }
  }
  send(link: string, _channel: ChannelKind, frame: Uint8Array): void {
    const { body } = decodeFrame(frame, 'relay');
    if (body.case === 'lossNotice') this.lossNotices.push({ link, from: body.value.fromSeqId, to: body.value.toSeqId });
  }
  addSubchannel(link: string, channel: ChannelKind, subchannel: number): void {
    const key = `${link} ${channel}`;
    this.subchannels.set(key, (this.subchannels.get(key) ?? new Set()).add(subchannel));
  }
  removeSubchannel(link: string, channel: ChannelKind, subchannel: number): void {
    this.subchannels.get(`${link} ${channel}`)?.delete(subchannel);
  }
  pause(link: string, channel: ChannelKind): void {
    this.paused.add(`${link} ${channel}`);
  }
  resume(link: string, channel: ChannelKind): void {
    this.paused.delete(`${link} ${channel}`);
  }
  queryBuffered(link: string, channel: ChannelKind): void {
    this.queried.add(`${link} ${channel}`);
  }
  disconnect(): void {
    throw new Error('no link should be closed');
  }
  forward(): void {}
  retain(): void {}
  forget(): void {}
  cancel(): void {}
}

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('send' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('time' as const), ms: fc.integer({ min: 50, max: 4000 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('report' as const), bad: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('answer' as const), bytes: fc.nat(2_000_000) }) },
);

describe('RoomRouting', () => {
  test('each frame reaches a subscriber over one channel or is in a loss notice, for any sequence of buffer levels and reports', () => {
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 20, maxLength: 200 }),
        fc.constantFrom('adaptive', 'reliable', 'unreliable'),
        (steps, mode) => {
          const worker = new ModelWorker();
          let now = 0;
          const routing = new RoomRouting(
            worker,
            { limits: { framesPerSecond: 1e6, bytesPerSecond: 1e9 }, roomBytesPerSecond: 1e9 },
            { monotonicMs: () => now, fleetMicros: () => 1e15 + now * 1000 },
          );
          for (const link of ['from', 'to']) {
            routing.open(link, `pt_${link}`, link);
            routing.onReady(link);
          }
          routing.subscribe('to', '*');
          routing.publish('from', { topic: 't', mode, retain: false });
          let sent = 0;
          const answer = (bytes: number): void => {
            for (const key of worker.queried) {
              worker.queried.delete(key);
              const [link, channel] = key.split(' ') as [string, ChannelKind];
              routing.channels.onBuffered(link, channel, bytes);
            }
          };
          for (const each of steps) {
            if (each.do === 'send') {
              const value = { topic: 't', seqId: sent++, total: 1, size: 12_000, payload: new Uint8Array(12_000) };
              routing.receive('from', 'reliable', encodeFrame({ body: { case: 'shard', value } }));
            } else if (each.do === 'time') {
              now += each.ms;
              routing.channels.tick();
            } else if (each.do === 'report')
              routing.report('to', each.bad ? { loss: 0.5, rttMs: 500 } : { loss: 0, rttMs: 10 });
            else answer(each.bytes);
          }
          // Finally all buffers drain.
          for (let round = 0; round < 3; round++) {
            routing.channels.tick();
            answer(0);
          }
          const delivered = worker.delivered.map(({ seqId }) => seqId);
          expect(new Set(delivered).size).toBe(delivered.length);
          const reported = new Set(
            worker.lossNotices.flatMap(({ from, to }) =>
              Array.from({ length: to - from + 1 }, (_, index) => from + index),
            ),
          );
          for (let seqId = 0; seqId < sent; seqId++)
            expect(delivered.includes(seqId) || reported.has(seqId)).toBe(true);
          expect(worker.paused.size).toBe(0);
        },
      ),
    );
  });

  test('a damaged retained message is left out, and the others are restored', () => {
    const worker = new ModelWorker();
    const sent = vi.spyOn(worker, 'send');
    const routing = new RoomRouting(
      worker,
      { limits: { framesPerSecond: 1, bytesPerSecond: 1000 }, roomBytesPerSecond: 1000 },
      { monotonicMs: () => 0, fleetMicros: () => 1e15 },
    );
    const value = { topic: 'valid', seqId: 0, total: 1, size: 1, retain: true, payload: new Uint8Array(1) };
    const frame = stampFrame(encodeFrame({ body: { case: 'shard', value } }), { publisherId: 'pt_a', routedAt: 1 });
    const common = { mode: 'reliable', publisherId: 'pt_a', seqId: 0 } as const;
    routing.restore([
      { ...common, topic: 'damaged', frames: ['AAAA'] },
      { ...common, topic: 'valid', frames: [Buffer.from(frame).toString('base64')] },
    ]);
    routing.open('to', 'pt_to', 'to');
    routing.onReady('to');
    routing.subscribe('to', '*');
    expect(sent).toHaveBeenCalledTimes(1);
    const { body } = decodeFrame(sent.mock.calls[0]![2], 'relay');
    expect(body).toMatchObject({ case: 'shard', value: { topic: 'valid' } });
  });
});
