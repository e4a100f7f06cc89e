import { DisplayName } from '@flotilla/contracts';
import { z } from 'zod';

const payloadType = z.int().min(0).max(127);
const port = z.int().min(1).max(65_535);

/** A video or audio that a sender sends to a port of the edge. */
const rtpVideo = z.strictObject({
  codec: z.enum(['H264', 'VP8', 'H265']).default('H264').describe('Codec of the video.'),
  payloadType: payloadType.default(96).describe('RTP payload type of the sender.'),
  parameterSets: z
    .string()
    .max(4096)
    .optional()
    .describe(
      '`sprop-parameter-sets` of the SDP (RFC 6184, section 8.1), when the sender does not repeat them in band.',
    ),
  rtcpPort: port
    .optional()
    .describe('Port at which the sender receives RTCP. Default: the one that it sends RTCP from.'),
});
const rtpAudio = z.strictObject({
  codec: z.enum(['opus']).default('opus').describe('Codec of the audio.'),
  payloadType: payloadType.default(97).describe('RTP payload type of the sender.'),
  rtcpPort: port
    .optional()
    .describe('Port at which the sender receives RTCP. Default: the one that it sends RTCP from.'),
});

/** Whether user name and password of a URL can be decoded. */
function hasReadableCredentials(text: string): boolean {
  const url = URL.parse(text);
  try {
    decodeURIComponent(`${url?.username}:${url?.password}`);
    return true;
  } catch {
    return false;
  }
}

const common = {
  name: DisplayName.describe('Display name of the participant.'),
};

/** The body of `POST /v1/rooms/{room}/ingests`. */
export const IngestRequest = z.discriminatedUnion('kind', [
  z
    .strictObject({
      kind: z.literal('rtp').describe('A sender sends RTP to a port of the edge.'),
      ...common,
      listen: z.strictObject({
        video: rtpVideo.optional(),
        audio: rtpAudio.optional(),
        from: z
          .union([z.ipv4(), z.ipv6()])
          .optional()
          .describe('Address of the sender. Default: the first that sends; others are ignored while it does.'),
      }),
    })
    .refine(({ listen: { video, audio } }) => video ?? audio, {
      path: ['listen'],
      error: 'video or audio is required',
    }),
  z.strictObject({
    kind: z.literal('rtsp').describe('The edge plays a camera.'),
    ...common,
    url: z
      .url({ protocol: /^rtsp$/, error: 'rtsp://HOST/PATH is expected' })
      .max(2048)
      .refine(hasReadableCredentials, { error: 'user name and password have to be percent-encoded (RFC 3986)' })
      .describe('URL of the stream. It may have user name and password, which are never shown.'),
    transport: z.enum(['tcp', 'udp']).default('tcp').describe('How the camera sends RTP.'),
  }),
]);
export type IngestRequest = z.output<typeof IngestRequest>;
