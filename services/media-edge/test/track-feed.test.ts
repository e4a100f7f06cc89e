import { expect, test } from 'vitest';
import { TrackFeed } from '../src/track-feed.ts';

test('a payload of VP8 above 1,500 bytes is dropped, and one of 1,500 bytes is sent on', () => {
  let tracks = 0;
  const feed = new TrackFeed({
    ...{ kind: 'video', cname: 'camera', label: 'camera' },
    onKeyFrameRequest: () => undefined,
    onTrack: () => tracks++,
    onProblem: () => undefined,
  });
  feed.begin({ kind: 'video', codec: 'VP8', parameterSets: [] });
  const packet = { ssrc: 1, sequence: 1, timestamp: 0, marker: true, payloadType: 96 };
  feed.write({ ...packet, payload: Buffer.alloc(1501) }, 0);
  expect(tracks).toBe(0);
  feed.write({ ...packet, payload: Buffer.alloc(1500) }, 0);
  expect(tracks).toBe(1);
});
