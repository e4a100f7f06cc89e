import { describe, expect, test } from 'vitest';
import { VideoShedder } from '../src/pipes/video-shedder.ts';

/** What is decided at each second, from the losses; the pipe sends more than its estimate. */
function decisions(losses: readonly number[], estimate = 1_000_000): (string | undefined)[] {
  const shedder = new VideoShedder({ resumeAfterMs: 5000, maxResumeAfterMs: 20_000, trialMs: 10_000 });
  return losses.map((loss, second) => shedder.update({ sent: 2_000_000, estimate, loss, nowMs: second * 1000 }));
}

const times = (count: number, loss: number): number[] => Array.from({ length: count }, () => loss);
const seconds = (of: readonly (string | undefined)[], what: string): number[] =>
  of.flatMap((each, second) => (each === what ? [second] : []));

describe('shedding of videos at a tight pipe', () => {
  test('one video is paused for every three samples with 10 % of loss', () => {
    expect(seconds(decisions(times(9, 0.2)), 'pause')).toEqual([2, 5, 8]);
  });

  test('one sample without loss starts the count again', () => {
    expect(seconds(decisions([0.2, 0.2, 0, 0.2, 0.2]), 'pause')).toEqual([]);
  });

  test('loss alone pauses nothing while the estimate is above what is sent', () => {
    expect(seconds(decisions(times(9, 0.2), 3_000_000), 'pause')).toEqual([]);
  });

  test('a video is resumed after five seconds without loss, the next after five more', () => {
    expect(seconds(decisions([...times(3, 0.2), ...times(12, 0)]), 'resume')).toEqual([8, 13]);
  });

  test('loss between the thresholds neither pauses nor resumes', () => {
    expect(decisions(times(30, 0.05)).every((each) => each === undefined)).toBe(true);
  });

  test('a failed trial doubles the time to the next one, up to the maximum', () => {
    const losses = [
      ...times(3, 0.2),
      ...times(6, 0),
      ...times(3, 0.2),
      ...times(11, 0),
      ...times(3, 0.2),
      ...times(21, 0),
    ];
    expect(seconds(decisions(losses), 'resume')).toEqual([8, 22, 46]);
  });
});
