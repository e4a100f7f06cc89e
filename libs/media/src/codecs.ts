import type { RouterRtpCapabilities, RouterRtpCodecCapability } from 'mediasoup/types';
import { ortc } from 'mediasoup';

/**
 * The codecs of the fleet, in order of preference: a browser sends the first one that it can. VP8 leads because every browser
 * sends it in simulcast; a client can choose another.
 * H.265 is absent: mediasoup removed it in 3.16.6.
 *
 * The payload types are those of Chromium 156's offers: a receiver whose offer fixes the payload types, as a WHEP player's does,
 * decodes without a second offer.
 */
const mediaCodecs: RouterRtpCodecCapability[] = [
  {
    kind: 'audio',
    mimeType: 'audio/opus',
    preferredPayloadType: 111,
    clockRate: 48_000,
    channels: 2,
    parameters: { useinbandfec: 1, usedtx: 1 },
  },
  { kind: 'video', mimeType: 'video/VP8', preferredPayloadType: 96, clockRate: 90_000 },
  {
    kind: 'video',
    mimeType: 'video/VP9',
    preferredPayloadType: 98,
    clockRate: 90_000,
    parameters: { 'profile-id': 0 },
  },
  { kind: 'video', mimeType: 'video/AV1', preferredPayloadType: 45, clockRate: 90_000 },
  // Constrained baseline and main, RFC 6184, section 8.1.
  {
    kind: 'video',
    mimeType: 'video/H264',
    preferredPayloadType: 108,
    clockRate: 90_000,
    parameters: { 'packetization-mode': 1, 'profile-level-id': '42e01f', 'level-asymmetry-allowed': 1 },
  },
  {
    kind: 'video',
    mimeType: 'video/H264',
    preferredPayloadType: 116,
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
