import { coarseScoreStep, type PeerQuality, QualityGroup } from '@flotilla/contracts';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PeerScores } from '../src/peer-scores.ts';

const peer = (score: number, group: QualityGroup): PeerQuality => ({
  sessionId: 'ss_a',
  participantId: 'pt_a',
  roomId: 'rm_a',
  score,
  group,
  loss: 0,
  rttMs: 0,
  jitterMs: 0,
  baselineRttMs: 0,
});

test('a reported score has the group of the peer, is at most one step off, and changes only with the group or by more than a step', () => {
  const measured = fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.constantFrom(...QualityGroup.options));
  fc.assert(
    fc.property(fc.array(measured), (scores) => {
      const peerScores = new PeerScores();
      let before: { score: number; group: QualityGroup } | undefined;
      for (const [score, group] of scores) {
        const [reported] = peerScores.of([peer(score, group)]);
        expect(reported!.group).toBe(group);
        expect(Math.abs(reported!.score - score)).toBeLessThanOrEqual(coarseScoreStep);
        if (before && before.group === group && Math.abs(before.score - score) <= coarseScoreStep)
          expect(reported!.score).toBe(before.score);
        before = reported;
      }
    }),
  );
});

test('a peer that is not measured any more is dropped', () => {
  const peerScores = new PeerScores();
  peerScores.of([peer(0.9, 'stable')]);
  expect(peerScores.of([])).toEqual([]);
  expect(peerScores.of([peer(0.91, 'stable')])).toMatchObject([{ score: 0.91 }]);
});
