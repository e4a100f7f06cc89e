import { describe, expect, it } from 'vitest';
import { seedsIn } from '@flotilla/testkit/fuzz';
import { h264Parameters, h265Parameters } from '../src/index.ts';

/** Access units of x264 and x265, in the corpus of the fuzz tests. */
const accessUnit = (codec: string, name: string): Buffer => {
  const seeds = seedsIn(new URL(`corpus/${codec}-parameters/`, import.meta.url));
  return seeds.find((seed) => seed.name === `${name}.hex`)!.bytes;
};

describe('parameter sets of x264 and x265', () => {
  it.each([
    { name: 'baseline-320x240', width: 320, height: 240, profile: '42c00d' },
    { name: 'high-444-640x362-cropped', width: 640, height: 362, profile: 'f4001e' },
  ])('tell the size after cropping and the profile: $name', ({ name, ...expected }) => {
    expect(h264Parameters(accessUnit('h264', name))).toMatchObject(expected);
  });

  it('tell the size and the profile of H.265', () => {
    const found = h265Parameters(accessUnit('h265', 'main-1280x718-cropped'));
    expect(found).toMatchObject({ width: 1280, height: 718, profile: '1.6.L93.90' });
  });
});
