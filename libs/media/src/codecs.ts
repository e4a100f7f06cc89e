import type { RouterRtpCapabilities, RouterRtpCodecCapability } from 'mediasoup/types';
import { ortc } from 'mediasoup';

/**
 * What the fleet speaks, in order of preference. Browsers pick the first they can send. VP8 leads because every browser
 * sends it in simulcast; the others are chosen by a client that asks for them.
 * H.265 is absent: mediasoup removed it in 3.16.6.
 */
const mediaCodecs: RouterRtpCodecCapability[] = [
  { kind: 'audio', mimeType: 'audio/opus', clockRate: 48_000, channels: 2, parameters: { useinbandfec: 1, usedtx: 1 } },
  { kind: 'video', mimeType: 'video/VP8', clockRate: 90_000 },
  { kind: 'video', mimeType: 'video/VP9', clockRate: 90_000, parameters: { 'profile-id': 0 } },
  { kind: 'video', mimeType: 'video/AV1', clockRate: 90_000 },
  // Constrained baseline and main, RFC 6184, section 8.1.
  {
    kind: 'video',
    mimeType: 'video/H264',
    clockRate: 90_000,
    parameters: { 'packetization-mode': 1, 'profile-level-id': '42e01f', 'level-asymmetry-allowed': 1 },
  },
  {
    kind: 'video',
    mimeType: 'video/H264',
    clockRate: 90_000,
    parameters: { 'packetization-mode': 1, 'profile-level-id': '4d001f', 'level-asymmetry-allowed': 1 },
  },
];

/** The options of every router, so that a stream can be piped between any two. */
export const routerOptions = { mediaCodecs };

/** The capabilities of every router of the fleet: what a client loads its device with. */
export const routerRtpCapabilities: RouterRtpCapabilities = ortc.generateRouterRtpCapabilities(
  structuredClone(mediaCodecs),
);
