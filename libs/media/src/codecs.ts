import type { RouterRtpCapabilities, RouterRtpCodecCapability } from 'mediasoup/types';
import { ortc } from 'mediasoup';

/**
 * The codecs of the fleet, in order of preference: a browser sends the first one that it can. VP8 leads because every browser
 * sends it in simulcast; a client can choose another.
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

/** The options of every router: the same for all, so that a producer can be piped between any two. */
export const routerOptions = { mediaCodecs };

/** The RTP capabilities of every router. Clients load their device with them. */
export const routerRtpCapabilities: RouterRtpCapabilities = ortc.generateRouterRtpCapabilities(
  structuredClone(mediaCodecs),
);
