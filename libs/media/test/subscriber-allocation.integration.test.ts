import { notYet, waitFor } from '@flotilla/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Gallery, type Tile } from './gallery.ts';

const video = (priority: number): Tile => ({ layers: [{ kbps: 150, lines: 240 }], wanted: 0, priority, lines: 240 });
const within = { timeoutMs: 50_000 } as const;
const times = { holdMs: 1000, increaseEveryMs: 500, trialAfterMs: 1000, maxTrialAfterMs: 4000, trialMs: 2500 } as const;

describe('the videos of a subscriber whose downlink narrows', () => {
  let gallery: Gallery;
  beforeEach(async () => {
    gallery = await Gallery.open(true, { times });
    await gallery.addSound();
    for (const priority of [1, 4, 2]) await gallery.addVideo(video(priority));
  });
  afterEach(() => gallery.close());

  const paused = (): boolean[] => gallery.consumers.map((each) => each.paused);

  test('are paused, the least important first, and the most important one resumed first; audio is never paused', async () => {
    await waitFor(
      'an estimate for all videos',
      () => {
        if ((gallery.estimate ?? 0) < 550_000 || paused().includes(true)) notYet(`${gallery.estimate} bit/s`);
      },
      within,
    );

    gallery.path.bitrate = 280_000;
    await waitFor(
      'a paused video, of which the subscriber is notified',
      () => {
        if (!paused()[0] || !gallery.limited.at(-1)?.includes('video 0'))
          notYet(`${JSON.stringify(paused())} at ${gallery.estimate} bit/s`);
      },
      within,
    );
    expect(gallery.sounds[0]!.paused).toBe(false);

    // What the client wants stays apart: it does not resume what is paused for bandwidth.
    await gallery.allocation!.setPaused(gallery.consumers[0]!, false);
    expect(gallery.consumers[0]!.paused).toBe(true);

    gallery.path.bitrate = Infinity;
    await waitFor(
      'the most important video',
      () => {
        if (paused()[1]) notYet(`${JSON.stringify(paused())} at ${gallery.estimate} bit/s`);
      },
      within,
    );
    expect(paused()[0]).toBe(true);
    expect(gallery.sounds[0]!.paused).toBe(false);
  });
});
