import type { ChannelKind } from '@flotilla/contracts';
import { decodeFrame, encodeFrame } from '@flotilla/data-channel';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Outlet } from '../src/routing/outlet.ts';
import { RoomRouting } from '../src/routing/room-routing.ts';

/** What a worker would do with what routing asks for: each frame goes over the channels that carry its topic and are not held. */
class ModelWorker implements Outlet {
  readonly carried = new Map<string, Set<number>>();
  readonly held = new Set<string>();
  readonly got: { link: string; channel: ChannelKind; seqId: number }[] = [];
  readonly told: { link: string; from: number; to: number }[] = [];
  readonly asked = new Set<string>();

  fanOut(frame: Uint8Array, subchannel: number): void {
    const { body } = decodeFrame(frame, 'relay');
    if (body.case !== 'shard') return;
    for (const [key, subchannels] of this.carried) {
      const [link, channel] = key.split(' ') as [string, ChannelKind];
      if (subchannels.has(subchannel) && !this.held.has(key)) this.got.push({ link, channel, seqId: body.value.seqId });
    }
  }
  send(link: string, _channel: ChannelKind, frame: Uint8Array): void {
    const { body } = decodeFrame(frame, 'relay');
    if (body.case === 'lossNotice') this.told.push({ link, from: body.value.fromSeqId, to: body.value.toSeqId });
  }
  carry(link: string, channel: ChannelKind, subchannel: number, on: boolean): void {
    const key = `${link} ${channel}`;
    const subchannels = this.carried.get(key) ?? new Set();
    this.carried.set(key, subchannels);
    if (on) subchannels.add(subchannel);
    else subchannels.delete(subchannel);
  }
  hold(link: string, channel: ChannelKind, held: boolean): void {
    if (held) this.held.add(`${link} ${channel}`);
    else this.held.delete(`${link} ${channel}`);
  }
  askBacklog(link: string, channel: ChannelKind): void {
    this.asked.add(`${link} ${channel}`);
  }
  expel(): void {
    throw new Error('nobody is to be put out');
  }
  forward(): void {}
  retain(): void {}
  forget(): void {}
}

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('send' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('time' as const), ms: fc.integer({ min: 50, max: 4000 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('report' as const), bad: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('answer' as const), bytes: fc.nat(2_000_000) }) },
);

describe('routing', () => {
  test('each frame goes to a subscriber over one channel, or is told as lost, whatever its link does', () => {
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 20, maxLength: 200 }),
        fc.constantFrom('adaptive', 'reliable', 'unreliable'),
        (steps, mode) => {
          const worker = new ModelWorker();
          let now = 0;
          const routing = new RoomRouting(
            worker,
            { framesPerSecond: 1e6, bytesPerSecond: 1e9 },
            { monotonicMs: () => now, fleetMicros: () => 1e15 + now * 1000 },
          );
          for (const link of ['from', 'to']) {
            routing.open(link, `pt_${link}`);
            routing.ready(link);
          }
          routing.subscribe('to', '*');
          routing.publish('from', { topic: 't', mode, retain: false });
          let sent = 0;
          const answer = (bytes: number): void => {
            for (const key of worker.asked) {
              worker.asked.delete(key);
              const [link, channel] = key.split(' ') as [string, ChannelKind];
              routing.backlog(link, channel, bytes);
            }
          };
          for (const each of steps) {
            if (each.do === 'send') {
              const value = { topic: 't', seqId: sent++, total: 1, size: 12_000, payload: new Uint8Array(12_000) };
              routing.receive('from', 'reliable', encodeFrame({ body: { case: 'shard', value } }));
            } else if (each.do === 'time') {
              now += each.ms;
              routing.tick();
            } else if (each.do === 'report')
              routing.report('to', each.bad ? { loss: 0.5, rttMs: 500 } : { loss: 0, rttMs: 10 });
            else answer(each.bytes);
          }
          // All it waits for is sent in the end.
          for (let round = 0; round < 3; round++) {
            routing.tick();
            answer(0);
          }
          const got = worker.got.map(({ seqId }) => seqId);
          expect(new Set(got).size).toBe(got.length);
          const told = new Set(
            worker.told.flatMap(({ from, to }) => Array.from({ length: to - from + 1 }, (_, index) => from + index)),
          );
          for (let seqId = 0; seqId < sent; seqId++) expect(got.includes(seqId) || told.has(seqId)).toBe(true);
          expect(worker.held.size).toBe(0);
        },
      ),
    );
  });
});
