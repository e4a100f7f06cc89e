import { type ErrorCode, FlotillaError, type NegotiationEvent } from '@flotilla/contracts';
import { describe, expect, test, vi } from 'vitest';
import { PeerOutbox } from '../src/p2p/peer-outbox.ts';

const offer = (sdp: string): NegotiationEvent => ({ kind: 'offer', sdp, streams: [] });
const end: NegotiationEvent = { kind: 'end_of_candidates', usernameFragment: 'u' };

/** An outbox over a server that answers as told: with an error of that code, or well. */
function outbox(answers: (ErrorCode | 'ok')[]) {
  const tried: NegotiationEvent[] = [];
  const refused: string[] = [];
  const box = new PeerOutbox({
    send: async (part) => {
      tried.push(part);
      const answer = answers.shift() ?? 'ok';
      if (answer !== 'ok') throw new FlotillaError(answer);
    },
    onRefused: ({ code }) => refused.push(code),
  });
  const triedIs = (...parts: NegotiationEvent[]) =>
    vi.waitFor(() => expect(tried).toEqual(parts), { timeout: 5000, interval: 5 });
  return { box, tried, refused, triedIs };
}

describe('what is said to the other side', () => {
  test('goes out in order, again and again while it may still be heard', async () => {
    const { box, refused, triedIs } = outbox(['UNAVAILABLE', 'DEADLINE_EXCEEDED']);
    box.send(offer('1'));
    box.send(end);
    await triedIs(offer('1'), offer('1'), offer('1'), end);
    expect(refused).toEqual([]);
  });

  test('is said at once when the connection is back', async () => {
    const { box, tried, triedIs } = outbox(Array.from({ length: 5 }, () => 'UNAVAILABLE' as const));
    box.send(offer('1'));
    const began = performance.now();
    for (let back = 1; back <= 5; back++) {
      await vi.waitFor(() => expect(tried).toHaveLength(back), { interval: 1 });
      box.resume();
    }
    await triedIs(...Array.from({ length: 6 }, () => offer('1')));
    expect(performance.now() - began).toBeLessThan(1000);
  });

  test('may come too late or lose against theirs; anything else it is refused for means being out of step', async () => {
    const { box, refused, triedIs } = outbox(['GLARE', 'WRONG_STATE', 'WRONG_STATE', 'PARTICIPANT_NOT_FOUND']);
    box.send(offer('glare'));
    box.send(end);
    box.send(offer('out of step'));
    box.send(offer('gone'));
    box.send(offer('well'));
    await triedIs(offer('glare'), end, offer('out of step'), offer('gone'), offer('well'));
    expect(refused).toEqual(['WRONG_STATE']);
  });

  test('does not pile up without end, and is forgotten when it is closed', async () => {
    const { box, tried, refused } = outbox(Array.from({ length: 10 }, () => 'UNAVAILABLE' as const));
    for (let part = 1; part <= 257; part++) box.send(end);
    expect(refused).toEqual(['RATE_LIMITED']);
    box.close();
    box.send(end);
    await vi.waitFor(() => expect(tried).toHaveLength(1));
  });
});
