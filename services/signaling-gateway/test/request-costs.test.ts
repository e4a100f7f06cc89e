import { requestExamples, type RequestType, signalRequests } from '@flotilla/contracts';
import { describe, expect, test } from 'vitest';
import { costOf, frameCost, requestCosts } from '../src/limits/request-costs.ts';

describe('the cost of a request', () => {
  test('is known for each type of request, and one message at least', () => {
    expect(Object.keys(requestCosts).toSorted()).toEqual(Object.keys(signalRequests).toSorted());
    expect(Math.min(...Object.values(requestCosts))).toBe(1);
  });

  test.each(Object.entries(requestExamples))(
    'of a typical %s is its own, and a tenth for each publication',
    (type, { payload }) => {
      const { publicationIds = [] } = payload as { publicationIds?: string[] };
      expect(costOf(type, payload, 300, 0)).toBeCloseTo(requestCosts[type as RequestType] + publicationIds.length / 10);
    },
  );

  test('of a resume grows with the rooms that it restores, that of other requests does not', () => {
    expect(costOf('resume', { offsets: {} }, 300, 16) - costOf('resume', { offsets: {} }, 300, 0)).toBe(80);
    expect(costOf('ping', {}, 300, 16)).toBe(1);
  });

  test('grows with its bytes', () => {
    expect(costOf('message', {}, 16 * 1024, 0)).toBe(17);
    expect(costOf('unknown', {}, 0, 0)).toBe(1);
    expect(frameCost(16 * 1024)).toBe(17);
  });

  test('of the largest requests is below the burst of a session, so that each can be sent', () => {
    const publicationIds = Array.from({ length: 64 }, (_, index) => `pub_${index}`);
    expect(costOf('subscribe', { publicationIds }, 65_536, 0)).toBeLessThan(300);
  });
});
