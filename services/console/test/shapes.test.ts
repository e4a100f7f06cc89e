import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AlignmentLog } from '../web/call/shapes/alignment.ts';
import { cover, packBoxes, parseBoxes, shapes } from '../web/call/shapes/boxes.ts';

const share = fc.double({ min: -1, max: 1, noNaN: true });

describe('boxes of shapes', () => {
  test('packed boxes are parsed to within 1/10,000 of the frame', () => {
    const box = fc.record({ shape: fc.constantFrom(...shapes), x: share, y: share, width: share, height: share });
    fc.assert(
      fc.property(fc.array(box, { maxLength: 32 }), (boxes) => {
        const received = parseBoxes(JSON.parse(JSON.stringify(packBoxes(boxes))))!;
        expect(received.map(({ shape }) => shape)).toEqual(boxes.map(({ shape }) => shape));
        for (const [index, { x, y, width, height }] of received.entries())
          for (const [key, value] of Object.entries({ x, y, width, height }))
            expect(value).toBeCloseTo(boxes[index]![key as 'x'], 4);
      }),
    );
  });

  test('data that is no list of boxes, or has more than 32, is rejected', () => {
    for (const wrong of [
      null,
      {},
      'boxes',
      [[]],
      [[0, 1, 2, 3]],
      [[9, 0, 0, 0, 0]],
      [[0, 0, 0, 0, 0.5]],
      [[0, 1e9, 0, 0, 0]],
    ])
      expect(parseBoxes(wrong)).toBeUndefined();
    expect(parseBoxes(Array.from({ length: 33 }, () => [0, 0, 0, 0, 0]))).toBeUndefined();
  });

  test('a picture that covers an element is centred, keeps its aspect ratio, and leaves no part of the element uncovered', () => {
    expect(cover({ width: 640, height: 360 }, { width: 320, height: 180 })).toEqual({
      left: 0,
      top: 0,
      width: 320,
      height: 180,
    });
    expect(cover({ width: 640, height: 360 }, { width: 360, height: 360 })).toEqual({
      left: -140,
      top: 0,
      width: 640,
      height: 360,
    });
    expect(cover({ width: 640, height: 360 }, { width: 640, height: 720 })).toEqual({
      left: -320,
      top: 0,
      width: 1280,
      height: 720,
    });
  });
});

test('alignment figures are percentiles of the absolute errors of the last 300 frames', () => {
  const log = new AlignmentLog();
  expect(log.figures).toBeUndefined();
  for (let frame = 1; frame <= 100; frame++) log.add(frame % 2 === 0 ? frame : -frame);
  expect(log.figures).toEqual({ p50: 50, p95: 95, frames: 100 });
  for (let frame = 0; frame < 300; frame++) log.add(7);
  expect(log.figures).toEqual({ p50: 7, p95: 7, frames: 400 });
});
