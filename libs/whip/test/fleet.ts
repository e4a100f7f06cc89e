import type { RtpCapabilities } from '@flotilla/contracts';

const nack = [{ type: 'nack' }, { type: 'nack', parameter: 'pli' }];

/** Capabilities in the form of those of the SFU nodes. */
export const fleet: RtpCapabilities = {
  codecs: [
    { kind: 'audio', mimeType: 'audio/opus', preferredPayloadType: 111, clockRate: 48_000, channels: 2 },
    { kind: 'video', mimeType: 'video/VP8', preferredPayloadType: 96, clockRate: 90_000, rtcpFeedback: nack },
    { kind: 'video', mimeType: 'video/rtx', preferredPayloadType: 100, clockRate: 90_000, parameters: { apt: 96 } },
    {
      kind: 'video',
      mimeType: 'video/H264',
      preferredPayloadType: 108,
      clockRate: 90_000,
      parameters: { 'packetization-mode': 1, 'profile-level-id': '42e01f' },
      rtcpFeedback: nack,
    },
  ],
  headerExtensions: (['audio', 'video'] as const).flatMap((kind) => [
    { kind, uri: 'urn:ietf:params:rtp-hdrext:sdes:mid', preferredId: 1, direction: 'sendrecv' as const },
    { kind, uri: 'urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id', preferredId: 2, direction: 'recvonly' as const },
    {
      kind,
      uri: 'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
      preferredId: 5,
      direction: 'sendrecv' as const,
    },
  ]),
};
