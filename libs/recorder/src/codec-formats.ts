import {
  type Depacketizer,
  type DepacketizerHandlers,
  H264Depacketizer,
  h264Parameters,
  H265Depacketizer,
  h265Parameters,
  OpusDepacketizer,
  opusDurationMs,
  Vp8Depacketizer,
  vp8Size,
} from '@flotilla/rtp';
import type { RecordedCodec } from './track.ts';

/** Of WebCodecs: what a container says about its frames. */
export interface DecoderConfig {
  readonly codec: string;
  readonly codedWidth?: number;
  readonly codedHeight?: number;
  readonly numberOfChannels?: number;
  readonly sampleRate?: number;
  /** H.264 and H.265: the parameter sets, in Annex B form. */
  readonly parameterSets?: Buffer;
}

interface CommonFormat {
  readonly container: 'webm' | 'mp4';
  readonly depacketizer: (handlers: DepacketizerHandlers, codec: RecordedCodec) => Depacketizer;
  /** The configuration that begins with a key frame; undefined when the frame does not tell it. */
  readonly decoderConfig: (keyFrame: Buffer, codec: RecordedCodec) => DecoderConfig | undefined;
  /** Duration of a frame in ms, as far as it is known without the next one. */
  readonly durationMs: (frame: Buffer) => number;
  /**
   * Whether a key frame cannot be in the same file as those with an earlier configuration, since the file has parameter sets in its
   * header only.
   */
  readonly needsNewPart?: (before: DecoderConfig, after: DecoderConfig) => boolean;
}

/** How a codec is recorded. */
export type CodecFormat =
  | (CommonFormat & { readonly kind: 'video'; readonly name: 'vp8' | 'avc' | 'hevc' })
  | (CommonFormat & { readonly kind: 'audio'; readonly name: 'opus' });

/** Only the last frame of a file has this duration: the others last until the next one. */
const lastPictureMs = 33;
const opusFrameMs = 20;

const formats: Readonly<Record<string, CodecFormat>> = {
  'video/vp8': {
    kind: 'video',
    name: 'vp8',
    container: 'webm',
    depacketizer: (handlers) => new Vp8Depacketizer(handlers),
    decoderConfig: (frame) => {
      const size = vp8Size(frame);
      return size && { codec: 'vp8', codedWidth: size.width, codedHeight: size.height };
    },
    durationMs: () => lastPictureMs,
  },
  'video/h264': {
    kind: 'video',
    name: 'avc',
    container: 'mp4',
    depacketizer: (handlers, { parameterSets }) => new H264Depacketizer(handlers, { parameterSets }),
    decoderConfig: (frame) => {
      const found = h264Parameters(frame);
      // `avc3`: parameter sets are in the frames too, and may change.
      return found && { codec: `avc3.${found.profile}`, codedWidth: found.width, codedHeight: found.height };
    },
    durationMs: () => lastPictureMs,
  },
  'video/h265': {
    kind: 'video',
    name: 'hevc',
    container: 'mp4',
    depacketizer: (handlers, { parameterSets }) => new H265Depacketizer(handlers, { parameterSets }),
    decoderConfig: (frame) => {
      const found = h265Parameters(frame);
      return (
        found && {
          codec: `hvc1.${found.profile}`,
          codedWidth: found.width,
          codedHeight: found.height,
          parameterSets: found.parameterSets,
        }
      );
    },
    durationMs: () => lastPictureMs,
    // mediabunny writes no `hev1`, which would permit other parameter sets in the frames.
    needsNewPart: (before, after) => !before.parameterSets?.equals(after.parameterSets!),
  },
  'audio/opus': {
    kind: 'audio',
    name: 'opus',
    container: 'webm',
    depacketizer: (handlers) => new OpusDepacketizer(handlers),
    decoderConfig: (_frame, { channels = 2 }) => ({ codec: 'opus', numberOfChannels: channels, sampleRate: 48_000 }),
    durationMs: (frame) => opusDurationMs(frame) ?? opusFrameMs,
  },
};

/** How a codec is recorded. @throws Error when it is not supported. */
export function codecFormat({ mimeType }: RecordedCodec): CodecFormat {
  const format = formats[mimeType.toLowerCase()];
  if (!format) throw new Error(`${mimeType} cannot be recorded. Supported: ${Object.keys(formats).join(', ')}`);
  return format;
}
