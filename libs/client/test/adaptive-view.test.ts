import { describe, expect, test } from 'vitest';
import { needFor } from '../src/room/adaptive-view.ts';

const window = { pixelRatio: 1, windowArea: 1280 * 720, isCamera: true };
const seen = (width: number, height: number) => ({ width, height, intersects: true });

describe('what an element needs of a camera', () => {
  test.each([
    [160, 90, 1, 0],
    [426, 240, 1, 0],
    [430, 242, 1, 1],
    [160, 90, 3, 1],
    [854, 480, 1, 1],
    [1280, 720, 1, 2],
    [640, 360, 2, 2],
  ])('%i by %i CSS pixels at %i device pixels each are filled by layer %i', (width, height, pixelRatio, spatial) => {
    expect(needFor([seen(width, height)], { ...window, pixelRatio })).toMatchObject({ layers: { spatial } });
  });

  test('is that of the largest of several elements, with the priority of its share of the window', () => {
    const need = needFor([seen(160, 90), seen(1280, 720)], window);
    expect(need).toEqual({ paused: false, layers: { spatial: 2 }, priority: 4 });
    expect(needFor([seen(160, 90)], window).priority).toBe(1);
    expect(needFor([seen(480, 270)], window).priority).toBe(2);
  });

  test('names no layers of a screen, which has others', () => {
    expect(needFor([seen(160, 90)], { ...window, isCamera: false }).layers).toBeUndefined();
  });
});
