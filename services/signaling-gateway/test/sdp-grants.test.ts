import type { Grant } from '@flotilla/contracts';
import { describe, expect, test } from 'vitest';
import { requireGrantsOf } from '../src/negotiation/sdp-grants.ts';

const section = (kind: string, direction?: string): string =>
  [`m=${kind} 9 UDP/TLS/RTP/SAVPF 111`, 'c=IN IP4 0.0.0.0', ...(direction ? [`a=${direction}`] : [])].join('\r\n');
const sdp = (...parts: string[]): string => ['v=0', 's=-', 't=0 0', ...parts, ''].join('\r\n');

describe('grants of a session description', () => {
  const cases: [what: string, text: string, needs: Grant[]][] = [
    ['audio that is sent', sdp(section('audio', 'sendonly')), ['publish']],
    ['video that is received', sdp(section('video', 'recvonly')), ['subscribe']],
    ['video in both directions', sdp(section('video', 'sendrecv')), ['publish', 'subscribe']],
    ['audio without a direction', sdp(section('audio')), ['publish', 'subscribe']],
    ['audio with the direction of the session only', sdp('a=sendonly', section('audio')), ['publish', 'subscribe']],
    ['audio with two directions', sdp(section('audio', 'recvonly'), 'a=sendonly'), ['publish', 'subscribe']],
    [
      'a direction that a line separator precedes',
      sdp(section('audio', 'x:\u2028a=recvonly'), 'a=sendonly'),
      ['publish'],
    ],
    ['a direction with a value', sdp(section('audio', 'sendonly:x')), ['publish', 'subscribe']],
    ['a direction in capitals', sdp(section('audio', 'SENDONLY')), ['publish', 'subscribe']],
    ['a second section', sdp(section('audio', 'inactive'), section('video', 'sendonly')), ['publish']],
    ['lines that end without a carriage return', sdp(section('audio', 'sendonly')).replaceAll('\r', ''), ['publish']],
    ['data channels', sdp(section('application')), ['data']],
  ];
  test.each(cases)('%s needs its grants, each of them', (_what, text, needs) => {
    expect(() => requireGrantsOf(text, needs)).not.toThrow();
    for (const missing of needs)
      expect(() =>
        requireGrantsOf(
          text,
          needs.filter((grant) => grant !== missing),
        ),
      ).toThrow(missing);
  });

  test('an inactive section and a description without media need none', () => {
    expect(() => requireGrantsOf(sdp(section('video', 'inactive')), [])).not.toThrow();
    expect(() => requireGrantsOf(sdp(), [])).not.toThrow();
  });

  test('a carriage return inside a line is refused, because clients differ in whether it ends the line', () => {
    const text = sdp(section('audio', 'x:\ra=recvonly'), 'a=sendonly');
    expect(() => requireGrantsOf(text, ['publish', 'subscribe', 'data'])).toThrow(
      expect.objectContaining({ code: 'BAD_PAYLOAD' }),
    );
  });

  test('a media section of another kind is refused', () => {
    expect(() => requireGrantsOf(sdp(section('text', 'inactive')), ['publish', 'subscribe', 'data'])).toThrow('text');
  });
});
