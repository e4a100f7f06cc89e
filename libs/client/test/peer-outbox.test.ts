import { type ErrorCode, FlotillaError, type NegotiationEvent } from '@flotilla/contracts';
import { describe, expect, test, vi } from 'vitest';
import { PeerOutbox } from '../src/p2p/peer-outbox.ts';

const offer = (sdp: string): NegotiationEvent => ({ kind: 'offer', sdp, streams: [] });
const end: NegotiationEvent = { kind: 'end_of_candidates', usernameFragment: 'u' };

/** An outbox over a server that gives these answers: errors with the code, or `ok`. */
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

describe('PeerOutbox', () => {
  test('sends parts in order, and repeats one while its outcome is unknown', async () => {
    const { box, refused, triedIs } = outbox(['UNAVAILABLE', 'DEADLINE_EXCEEDED']);
    box.send(offer('1'));
    box.send(end);
    await triedIs(offer('1'), offer('1'), offer('1'), end);
    expect(refused).toEqual([]);
  });

  test('repeats a part without a pause when the connection is resumed', async () => {
    const { box, tried, triedIs } = outbox(Array.from({ length: 5 }, () => 'UNAVAILABLE' as const));
    box.send(offer('1'));
    for (let attempt = 1; attempt <= 5; attempt++) {
      await vi.waitFor(() => expect(tried).toHaveLength(attempt), { interval: 1 });
      box.resume();
    }
    await triedIs(...Array.from({ length: 6 }, () => offer('1')));
  });

  test('drops parts that are late or lose against an offer of the other side, and reports other refusals', async () => {
    const { box, refused, triedIs } = outbox(['GLARE', 'WRONG_STATE', 'WRONG_STATE', 'PARTICIPANT_NOT_FOUND']);
    box.send(offer('glare'));
    box.send(end);
    box.send(offer('out of sync'));
    box.send(offer('participant left'));
    box.send(offer('accepted'));
    await triedIs(offer('glare'), end, offer('out of sync'), offer('participant left'), offer('accepted'));
    expect(refused).toEqual(['WRONG_STATE']);
  });

  test('refuses more than 256 parts, and drops the queue when it is closed', async () => {
    const { box, tried, refused } = outbox(Array.from({ length: 10 }, () => 'UNAVAILABLE' as const));
    for (let part = 1; part <= 257; part++) box.send(end);
    expect(refused).toEqual(['RATE_LIMITED']);
    box.close();
    box.send(end);
    await vi.waitFor(() => expect(tried).toHaveLength(1));
  });
});
