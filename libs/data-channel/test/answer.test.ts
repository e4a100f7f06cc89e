import { describe, expect, test } from 'vitest';
import { answerTo, channelFor, dtlsParametersOf } from '../src/index.ts';

const offer =
  'v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE data\r\na=fingerprint:SHA-256 AB:CD\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:data\r\na=setup:actpass\r\n';

describe('SDP of a metadata link', () => {
  test('dtlsParametersOf returns the fingerprint of the offer', () => {
    expect(dtlsParametersOf(offer)).toEqual({
      role: 'client',
      fingerprints: [{ algorithm: 'sha-256', value: 'AB:CD' }],
    });
    expect(() => dtlsParametersOf('v=0\r\n')).toThrow('no fingerprint');
  });

  test('answerTo describes the transport in the offered media section', () => {
    const answer = answerTo(offer, {
      relayId: 'rl_a',
      transport: {
        id: 't',
        iceParameters: { usernameFragment: 'u', password: 'p' },
        iceCandidates: [
          {
            foundation: 'f',
            priority: 1,
            address: '::1',
            ip: '::1',
            protocol: 'tcp',
            port: 9,
            type: 'host',
            tcpType: 'passive',
          },
        ],
        dtlsParameters: {
          fingerprints: [
            { algorithm: 'sha-512', value: 'X' },
            { algorithm: 'sha-256', value: 'Y' },
          ],
        },
      },
      sctp: { port: 5000, maxMessageSize: 16_384 },
      limits: { framesPerSecond: 1000, bytesPerSecond: 8_388_608 },
    });
    expect(answer.split('\r\n')).toEqual(
      expect.arrayContaining([
        'a=mid:data',
        'a=group:BUNDLE data',
        'a=setup:passive',
        'a=fingerprint:sha-256 Y',
        'a=sctp-port:5000',
        'a=candidate:f 1 tcp 1 ::1 9 typ host tcptype passive',
      ]),
    );
  });

  test('channelFor ignores the adaptive channel for reliable and unreliable topics', () => {
    expect(channelFor('reliable', 'unreliable')).toBe('reliable');
    expect(channelFor('unreliable', 'limited')).toBe('unreliable');
    expect(channelFor('adaptive', 'limited')).toBe('limited');
  });
});
