import type { MaxSpatialLayer } from '@flotilla/contracts';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { SfuLinks } from '../src/sfu/links.ts';
import { SubscribedLayers } from '../src/sfu/subscribed-layers.ts';

/** An RTCRtpSender as far as its encodings are set; parameters take effect a turn after they were set. */
class FakeSender {
  active: boolean[];
  /** Number of calls of `setParameters` that are refused, as other parameters are being set. */
  refusals = 0;
  /** Number of calls after which other parameters replace those that were set. */
  replacements = 0;
  calls = 0;

  constructor(layers: number) {
    this.active = Array.from({ length: layers }, () => true);
  }

  getParameters(): { encodings: { active: boolean }[] } {
    return { encodings: this.active.map((active) => ({ active })) };
  }

  async setParameters({ encodings }: { encodings: { active: boolean }[] }): Promise<void> {
    this.calls++;
    if (this.refusals-- > 0) throw new DOMException('busy', 'InvalidStateError');
    await Promise.resolve();
    if (this.replacements-- <= 0) this.active = encodings.map(({ active }) => active);
  }
}

const producerOf = (id: string, rtpSender: FakeSender): { closed: boolean } =>
  ({ id, rtpSender, closed: false }) as never;

describe('SubscribedLayers', () => {
  let old: FakeSender;
  let next: FakeSender;
  let producers: { closed: boolean }[];
  let layers: SubscribedLayers;
  const apply = (producerId: string, maxSpatialLayer: MaxSpatialLayer): void =>
    layers.apply({ publicationId: 'pub_a', producerId, maxSpatialLayer });
  const becomes = (sender: FakeSender, ...active: boolean[]): Promise<void> =>
    vi.waitFor(() => expect(sender.active).toEqual(active));

  beforeEach(() => {
    [old, next] = [new FakeSender(3), new FakeSender(3)];
    const link = (producer: object): object => ({
      producer: (id: string) => (id === 'pub_a' ? producer : undefined),
    });
    producers = [producerOf('old', old), producerOf('new', next)];
    layers = new SubscribedLayers({
      current: link(producers[0]!),
      next: link(producers[1]!),
      previous: undefined,
    } as unknown as SfuLinks);
  });
  // Its timer ends with the last producer.
  afterEach(() => {
    for (const producer of producers) producer.closed = true;
  });

  test('switches off what is above the highest layer that is used, all when none is, and on again', async () => {
    apply('old', 0);
    await becomes(old, true, false, false);
    apply('old', null);
    await becomes(old, false, false, false);
    apply('old', 1);
    await becomes(old, true, true, false);
    apply('old', 2);
    await becomes(old, true, true, true);
  });

  test('the last of several notifications wins', async () => {
    for (const layer of [0, null, 2, null, 1]) apply('old', layer);
    await becomes(old, true, true, false);
    expect(old.calls).toBeLessThan(5);
  });

  test('a notification is about one producer: during a migration, that of the other node sends all layers', async () => {
    apply('old', null);
    apply('unknown', 0);
    await becomes(old, false, false, false);
    expect(next.active).toEqual([true, true, true]);
    apply('new', 0);
    await becomes(next, true, false, false);
  });

  test('is set again after the browser refused it, and after other parameters replaced it', async () => {
    old.refusals = 2;
    apply('old', 0);
    await becomes(old, true, false, false);
    next.replacements = 1;
    apply('new', 0);
    await becomes(next, true, false, false);
  });

  test('is set again after the browser switched all layers on, as it does when it applies an answer', async () => {
    apply('old', 0);
    await becomes(old, true, false, false);
    old.active = [true, true, true];
    await vi.waitFor(() => expect(old.active).toEqual([true, false, false]), { timeout: 5000 });
  });

  test('after a resume all layers are sent until the next notification', async () => {
    apply('old', null);
    await becomes(old, false, false, false);
    layers.sendAll();
    await becomes(old, true, true, true);
    expect(next.calls).toBe(0);
    apply('old', 1);
    await becomes(old, true, true, false);
  });
});
