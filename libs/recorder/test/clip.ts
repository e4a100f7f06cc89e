import { Child } from '@flotilla/processes';

/** Flash and beep last this long, once a second, from the first moment on. */
const flashSeconds = 0.1;

/** A codec of a picture, as ffmpeg encodes it. */
export interface PictureCodec {
  readonly mimeType: string;
  readonly encoder: readonly string[];
}

const keyFrameInterval = '15';

export const pictureCodecs = {
  vp8: {
    mimeType: 'video/VP8',
    encoder: ['-c:v', 'libvpx', '-deadline', 'realtime', '-cpu-used', '8', '-g', keyFrameInterval, '-b:v', '300k'],
  },
  h264: {
    mimeType: 'video/H264',
    encoder: [
      ...['-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-profile:v', 'baseline'],
      ...['-pix_fmt', 'yuv420p', '-g', keyFrameInterval, '-b:v', '300k', '-bsf:v', 'dump_extra'],
    ],
  },
} as const satisfies Record<string, PictureCodec>;

export interface ClipOptions {
  readonly codec: PictureCodec;
  readonly seconds: number;
  /** Width and height, for example 320x240. */
  readonly size: string;
  /** Time of the first picture, in ms since the Unix epoch, that the sender reports tell. */
  readonly startMs: number;
  readonly video: ClipStream;
  readonly audio: ClipStream;
}

export interface ClipStream {
  readonly ssrc: number;
  readonly payloadType: number;
  readonly rtpPort: number;
  readonly rtcpPort: number;
}

/** Sends a clip in which a flash and a beep start every second together, by RTP to 127.0.0.1, in real time. */
export function sendClip({ codec, seconds, size, startMs, video, audio }: ClipOptions): Child {
  const isOn = `lt(mod(t\\,1)\\,${flashSeconds})`;
  const to = ({ ssrc, payloadType, rtpPort, rtcpPort }: ClipStream): string[] => [
    // Both outputs tell the time of the same clock, whenever ffmpeg opens them.
    ...['-start_time_realtime', String(startMs * 1000)],
    ...['-ssrc', String(ssrc | 0), '-payload_type', String(payloadType), '-f', 'rtp'],
    `rtp://127.0.0.1:${rtpPort}?rtcpport=${rtcpPort}&pkt_size=1200`,
  ];
  return new Child('ffmpeg', 'ffmpeg', [
    ...['-hide_banner', '-loglevel', 'error', '-nostdin'],
    ...[
      '-re',
      '-f',
      'lavfi',
      '-i',
      `testsrc2=s=${size}:r=30,eq=brightness=-0.5,drawbox=c=white:t=fill:enable='${isOn}'`,
    ],
    ...['-re', '-f', 'lavfi', '-i', `aevalsrc='if(${isOn}\\,0.5*sin(2*PI*1000*t)\\,0)':s=48000:c=stereo`],
    ...['-map', '0:v', '-t', String(seconds), ...codec.encoder, ...to(video)],
    ...['-map', '1:a', '-t', String(seconds), '-c:a', 'libopus', '-b:a', '64k', ...to(audio)],
  ]);
}
