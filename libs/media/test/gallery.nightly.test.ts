import { describe, expect, test } from 'vitest';
import { Gallery, type Tile } from './gallery.ts';

const settleMs = Number(process.env['SETTLE_S'] ?? 12) * 1000;
const measureMs = Number(process.env['SECONDS'] ?? 20) * 1000;
const links = (process.env['LINKS'] ?? '1,3,10').split(',').map(Number);

const simulcast = [
  { kbps: 100, lines: 180 },
  { kbps: 300, lines: 360 },
  { kbps: 900, lines: 720 },
];
/** What nobody wants is not sent. */
const small = simulcast.slice(0, 2);
const tile = (layers: Tile['layers'], wanted: number, priority: number, lines: number): Tile => ({
  ...{ layers, wanted, priority, lines },
});
/** A page with one large tile, four medium and twenty small ones; 720, 360 and 180 lines. */
const galleries = {
  simulcast: Array.from({ length: 25 }, (_, at) => {
    if (at === 0) return tile(simulcast, 2, 4, 720);
    return at <= 4 ? tile(small, 1, 2, 360) : tile(small, 0, 1, 180);
  }),
  // Publishers without simulcast, such as light peers.
  'one stream': Array.from({ length: 25 }, (_, at) => tile([{ kbps: 240, lines: 240 }], 0, at === 0 ? 4 : 1, 240)),
};

const rows: string[] = [];

describe('a gallery of 25 publishers over a narrow downlink', () => {
  for (const [name, tiles] of Object.entries(galleries))
    for (const megabits of links)
      for (const way of ['mediasoup', 'allocation'] as const)
        test(
          `of ${name} at ${megabits} Mbit/s, by ${way}`,
          async () => {
            const gallery = await Gallery.open(way === 'allocation');
            gallery.path.bitrate = megabits * 1e6;
            try {
              for (let sound = 0; sound < 3; sound++) await gallery.addSound();
              for (const each of tiles) await gallery.addVideo(each);
              await new Promise((resolve) => setTimeout(resolve, settleMs));
              const take = () => gallery.screens.map((screen) => screen.take());
              take();
              gallery.takeSoundPackets();
              const dropped = gallery.path.dropped;
              const notices = gallery.limited.length;
              const began = performance.now();
              await new Promise((resolve) => setTimeout(resolve, measureMs));
              const seconds = (performance.now() - began) / 1000;
              const arrived = take();
              const sum = (of: (each: (typeof arrived)[number]) => number): number =>
                arrived.reduce((all, each) => all + of(each), 0);
              const soundShare = gallery.takeSoundPackets() / (3 * 50 * seconds);
              const cells = [
                name,
                megabits,
                way,
                sum(({ shown }) => shown).toFixed(1),
                Math.round((sum(({ freezes }) => freezes) * 60) / seconds),
                (sum(({ bits }) => bits) / seconds / 1e6).toFixed(2),
                (sum(({ pixels }) => pixels) / seconds / 1e6).toFixed(1),
                (sum(({ frames }) => frames) / seconds).toFixed(0),
                `${(100 * soundShare).toFixed(1)} %`,
                ((gallery.path.dropped - dropped) / seconds).toFixed(1),
                gallery.limited.at(-1)?.length ?? 0,
                gallery.limited.length - notices,
                ((gallery.estimate ?? 0) / 1e6).toFixed(2),
              ];
              rows.push(`| ${cells.join(' | ')} |`);
              console.log(rows.at(-1));
              expect(soundShare).toBeGreaterThan(0);
            } finally {
              gallery.close();
            }
          },
          settleMs + measureMs + 60_000,
        );
});
