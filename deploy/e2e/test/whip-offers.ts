/** Session descriptions of clients, for tests without media. */
const fingerprint = Array.from({ length: 32 }, (_, i) => (i + 16).toString(16).toUpperCase()).join(':');

export interface SectionOptions {
  readonly kind: 'audio' | 'video';
  readonly mid: string;
  readonly direction: string;
  readonly payloadType?: number;
  /** Further lines of the section. */
  readonly lines?: readonly string[];
}

const codecLines = { audio: 'opus/48000/2', video: 'VP8/90000' } as const;
let ssrcs = 40_000;

/** A media section as a client with one codec sends it. */
export function section({ kind, mid, direction, payloadType, lines = [] }: SectionOptions): string[] {
  const pt = payloadType ?? (kind === 'audio' ? 111 : 96);
  return [
    `m=${kind} 9 UDP/TLS/RTP/SAVPF ${pt}`,
    'c=IN IP4 0.0.0.0',
    'a=ice-ufrag:abcd',
    'a=ice-pwd:0123456789abcdef01234567',
    `a=fingerprint:sha-256 ${fingerprint}`,
    'a=setup:actpass',
    `a=mid:${mid}`,
    `a=${direction}`,
    'a=rtcp-mux',
    `a=rtpmap:${pt} ${codecLines[kind]}`,
    ...(kind === 'video' ? [`a=rtcp-fb:${pt} nack`, `a=rtcp-fb:${pt} nack pli`] : []),
    ...(direction.startsWith('send') ? [`a=msid:stream ${kind}`, `a=ssrc:${++ssrcs} cname:test`] : []),
    ...lines,
  ];
}

/** A session description of sections. */
export const offerOf = (sections: readonly SectionOptions[]): string =>
  [
    'v=0',
    'o=- 1 1 IN IP4 127.0.0.1',
    's=-',
    't=0 0',
    `a=group:BUNDLE ${sections.map(({ mid }) => mid).join(' ')}`,
    ...sections.flatMap(section),
    '',
  ].join('\r\n');

export const publishOffer = (): string =>
  offerOf([
    { kind: 'audio', mid: '0', direction: 'sendonly' },
    { kind: 'video', mid: '1', direction: 'sendonly' },
  ]);

/** With the payload types of the fleet, unless the test names others. */
export const playOffer = (videoPayloadType?: number): string =>
  offerOf([
    { kind: 'audio', mid: '0', direction: 'recvonly' },
    { kind: 'video', mid: '1', direction: 'recvonly', ...(videoPayloadType && { payloadType: videoPayloadType }) },
  ]);

/** The answer of a client to a counter-offer. */
export const answerTo = (offer: string): string =>
  offer
    .replaceAll('a=setup:actpass', 'a=setup:active')
    .replaceAll('a=sendonly', 'a=recvonly')
    .replaceAll(/a=fingerprint:.*/g, `a=fingerprint:sha-256 ${fingerprint}`)
    .replaceAll(/a=(ice-lite|candidate:.*|end-of-candidates|msid.*)\r\n/g, '')
    .replaceAll(/a=ice-ufrag:.*/g, 'a=ice-ufrag:abcd');
