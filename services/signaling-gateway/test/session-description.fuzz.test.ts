import { FlotillaError, type Grant, maxSdpLength } from '@flotilla/contracts';
import { testParser } from '@flotilla/testkit/fuzz';
import { expect } from 'vitest';
import { apply, newPair, PairRecord, ufragsOf } from '../src/negotiation/pair.ts';
import { requireGrantsOf } from '../src/negotiation/sdp-grants.ts';

const everyGrant: Grant[] = ['publish', 'subscribe', 'data'];
const sending = new Set(['sendrecv', 'sendonly']);
const receiving = new Set(['sendrecv', 'recvonly']);

/** Whether media is sent, received and data exchanged as a client reads it: lines end with LF, and the last direction counts. */
function readByClient(sdp: string): Record<string, boolean> {
  const read = { publish: false, subscribe: false, data: false };
  let [kind, direction] = ['', ''];
  const endSection = (): void => {
    const isMedia = kind === 'audio' || kind === 'video';
    read.publish ||= isMedia && sending.has(direction);
    read.subscribe ||= isMedia && receiving.has(direction);
    read.data ||= kind === 'application';
  };
  for (const line of sdp.split('\n').map((each) => each.replace(/\r$/, ''))) {
    if (line.startsWith('m=')) {
      endSection();
      [kind, direction] = [line.slice(2).split(' ')[0]!, 'sendrecv'];
    }
    direction = /^a=(sendrecv|sendonly|recvonly|inactive)(?=[ :]|$)/.exec(line)?.[1] ?? direction;
  }
  endSection();
  return read;
}

/** The error code of work, or `accepted`. */
function outcomeOf(work: () => void): string {
  try {
    work();
    return 'accepted';
  } catch (error) {
    if (error instanceof FlotillaError) return error.code;
    throw error;
  }
}

testParser('session description', new URL('corpus/session-description/', import.meta.url), {
  outcomes: ['accepted', 'FORBIDDEN', 'BAD_PAYLOAD', 'SDP_TOO_BIG'],
  maxBytes: 60_000,
  // For each byte that is a line: the test reads the lines, too.
  bounds: { allocatedBytes: 32 * 2 ** 20 },
  words: [
    ...[
      'a=sendrecv\r\n',
      'a=sendonly\r\n',
      'a=recvonly\r\n',
      'a=inactive\r\n',
      'a=SendOnly\n',
      'a=sendonly:x\n',
      'm=audio 9 x 0\r\n',
    ],
    ...[
      'm=video 9 x 0\n',
      'm=application 9 x y\r\n',
      'm=text 9 x y\r\n',
      'a=ice-ufrag:',
      'v=0\r\n',
      '\ra=recvonly\r\n',
      '\u2028a=recvonly',
    ],
  ],
  outcomeOf: (input) => {
    const sdp = input.toString();
    const outcome = outcomeOf(() => {
      requireGrantsOf(sdp, everyGrant);
      const { record, forward } = apply(newPair, 'first', { kind: 'offer', sdp, streams: [] });
      expect(forward).toMatchObject({ sdp });
      expect(PairRecord.parse(JSON.parse(JSON.stringify(record)))).toEqual(record);
      expect(sdp.length).toBeLessThanOrEqual(maxSdpLength);
      for (const ufrag of ufragsOf(sdp)) expect(ufrag).toMatch(/^[^\r\n]{1,256}$/);
    });
    const read = readByClient(sdp);
    for (const grant of everyGrant) {
      const others = everyGrant.filter((each) => each !== grant);
      if (outcomeOf(() => requireGrantsOf(sdp, others)) === 'accepted') expect(read[grant]).toBe(false);
    }
    return outcome;
  },
});
