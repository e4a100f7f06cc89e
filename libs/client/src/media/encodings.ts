import type { Source } from '@flotilla/contracts';
import type { Device } from 'mediasoup-client';
import type { ProducerOptions, RtpCodecCapability } from 'mediasoup-client/types';

export type VideoCodec = 'vp8' | 'vp9' | 'h264' | 'av1';

/**
 * Start and minimum of Chromium's uplink estimate, in kbit/s. Jitter alone lowers the estimate: without a minimum, 80 ms of
 * jitter left 5 frames per second of the lowest layer. An uplink below the minimum cannot carry video.
 */
const videoCodecOptions = { videoGoogleStartBitrate: 1000, videoGoogleMinBitrate: 150 } as const;

/** Simulcast layers of a camera, with their maximum bit rates in bits per second. */
const cameraLayers = [
  { scaleResolutionDownBy: 4, maxBitrate: 150_000 },
  { scaleResolutionDownBy: 2, maxBitrate: 500_000 },
  { scaleResolutionDownBy: 1, maxBitrate: 1_700_000 },
] as const;

/** With three spatial layers of AV1, Chromium 156 decodes nothing that mediasoup 3.27 forwards; with two it does. */
const scalabilityModes: Partial<Record<VideoCodec, string>> = { vp9: 'L3T3_KEY', av1: 'L2T3_KEY' };

/**
 * Encodings of a track. Audio: Opus with forward error correction and discontinuous transmission (DTX). Camera: VP8 and H.264
 * in up to three simulcast layers, VP9 and AV1 in one stream with spatial layers (W3C WebRTC-SVC). Screen: one layer.
 */
export function producerOptions(
  device: Device,
  track: MediaStreamTrack,
  source: Source,
  videoCodec?: VideoCodec,
): Pick<ProducerOptions, 'encodings' | 'codecOptions' | 'codec'> {
  if (track.kind === 'audio') {
    const music = source === 'screen_audio';
    return {
      codecOptions: {
        opusFec: true,
        opusDtx: !music,
        opusStereo: music,
        opusMaxAverageBitrate: music ? 128_000 : 40_000,
      },
    };
  }
  const codec = findCodec(device, videoCodec);
  const picked = codec && { codec };
  if (source === 'screen')
    return {
      ...picked,
      encodings: [{ maxBitrate: 2_500_000, scalabilityMode: 'L1T3' }],
      codecOptions: videoCodecOptions,
    };
  const layered = videoCodec && scalabilityModes[videoCodec];
  if (layered) return { ...picked, encodings: [{ scalabilityMode: layered, maxBitrate: 1_700_000 }] };
  const { height = 720 } = track.getSettings();
  // The lowest layer of a small picture would be too small to use.
  const layers = height >= 540 ? cameraLayers : height >= 270 ? cameraLayers.slice(1) : cameraLayers.slice(2);
  return {
    ...picked,
    encodings: layers.map((layer) => ({ ...layer, scalabilityMode: 'L1T3' })),
    codecOptions: videoCodecOptions,
  };
}

function findCodec(device: Device, name: VideoCodec | undefined): RtpCodecCapability | undefined {
  if (!name) return undefined;
  return device.sendRtpCapabilities.codecs?.find(({ mimeType }) => mimeType.toLowerCase() === `video/${name}`);
}
