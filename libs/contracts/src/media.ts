/**
 * Transport and RTP parameters that clients and SFU nodes exchange, in mediasoup's terms (which are ORTC's). These schemas
 * bound strings and arrays, and hold what other clients put into a session description to its grammar; mediasoup checks that
 * the parameters are consistent.
 */
import { z } from 'zod';
import {
  Cname,
  ExtensionUri,
  FeedbackParameter,
  FeedbackType,
  hashOf,
  Mid,
  MimeType,
  Msid,
  ParameterName,
  ParameterText,
  Rid,
  ScalabilityMode,
  Uint32,
} from './sdp-grammar.ts';

const text = z.string().max(256);
const uint = z.int().nonnegative();

export const MediaKind = z.enum(['audio', 'video']).describe('Kind of media.');
export type MediaKind = z.infer<typeof MediaKind>;

export const Source = z
  .enum(['microphone', 'camera', 'screen', 'screen_audio', 'other'])
  .describe('What a publication captures.');
export type Source = z.infer<typeof Source>;

const CodecParameters = z
  .record(ParameterName, z.union([ParameterText, z.number(), z.boolean(), z.null()]))
  .describe('Parameters of the codec or header extension, as in the SDP attribute `fmtp` or `extmap`.');
const mimeType = MimeType.describe('Media type of the codec, such as `video/VP8`.');
const clockRate = Uint32.min(1).describe('Clock rate in Hz.');
const channels = uint.min(1).max(255).optional().describe('Number of audio channels.');
export const RtcpFeedback = z
  .strictObject({
    type: FeedbackType.describe('Type of the feedback, such as `nack`.'),
    parameter: FeedbackParameter.optional().describe('Its parameter, such as `pli`.'),
  })
  .describe('An RTCP feedback message (RFC 4585).');
const rtcpFeedback = z.array(RtcpFeedback).max(16).optional().describe('Supported RTCP feedback.');

export const RtpCodecCapability = z
  .strictObject({
    kind: MediaKind,
    mimeType,
    preferredPayloadType: uint.max(127).optional().describe('Preferred RTP payload type.'),
    clockRate,
    channels,
    parameters: CodecParameters.optional(),
    rtcpFeedback,
  })
  .describe('A codec that can be received.');

export const RtpHeaderExtension = z
  .strictObject({
    kind: MediaKind,
    uri: ExtensionUri.describe('URI of the header extension.'),
    preferredId: uint.min(1).max(255).describe('Preferred id in the RTP header.'),
    preferredEncrypt: z.boolean().optional().describe('Whether its value is preferably encrypted (RFC 6904).'),
    direction: z
      .enum(['sendrecv', 'sendonly', 'recvonly', 'inactive'])
      .optional()
      .describe('Direction in which it is supported. Default: `sendrecv`.'),
  })
  .describe('An RTP header extension (RFC 8285).');

export const RtpCapabilities = z
  .strictObject({
    codecs: z.array(RtpCodecCapability).max(64).optional().describe('Codecs, in order of preference.'),
    headerExtensions: z.array(RtpHeaderExtension).max(64).optional().describe('Header extensions.'),
    fecMechanisms: z
      .array(text)
      .max(16)
      .optional()
      .describe('Accepted because ORTC clients send it, and ignored: mediasoup negotiates FEC as codecs.'),
  })
  .describe('What an endpoint can receive (mediasoup `RtpCapabilities`).');
export type RtpCapabilities = z.infer<typeof RtpCapabilities>;

export const RtpEncoding = z
  .strictObject({
    ssrc: Uint32.optional().describe('SSRC of the stream. Unique on its transport.'),
    rid: Rid.optional().describe('Id of a simulcast stream (RFC 8852).'),
    codecPayloadType: uint.max(127).optional().describe('Payload type of its codec. Default: the first codec.'),
    rtx: z
      .strictObject({ ssrc: Uint32.describe('SSRC of the retransmissions.') })
      .optional()
      .describe('Stream of its retransmissions (RFC 4588).'),
    dtx: z.boolean().optional().describe('Discontinuous transmission: no packets during silence.'),
    scalabilityMode: ScalabilityMode.optional().describe('Layers, such as `L1T3` (W3C WebRTC-SVC).'),
    maxBitrate: Uint32.optional().describe('Maximum bit rate, in bits per second.'),
    maxFramerate: z.number().nonnegative().optional().describe('Maximum frame rate, in frames per second.'),
    scaleResolutionDownBy: z.number().min(1).optional().describe('Factor by which the resolution is reduced.'),
    active: z.boolean().optional().describe('False: nothing is sent. Browsers report it; the SFU ignores it.'),
    adaptivePtime: z.boolean().optional().describe('Adaptive packet duration of audio. The SFU ignores it.'),
    priority: text.optional().describe('Priority at the sender. The SFU ignores it.'),
    networkPriority: text.optional().describe('DSCP priority at the sender. The SFU ignores it.'),
  })
  .describe('An RTP stream of a producer or consumer (mediasoup `RtpEncodingParameters`).');

export const RtpCodecParameters = z
  .strictObject({
    mimeType,
    payloadType: uint.max(127).describe('RTP payload type.'),
    clockRate,
    channels,
    parameters: CodecParameters.optional(),
    rtcpFeedback,
  })
  .describe('A codec in use.');

export const RtpHeaderExtensionParameters = z
  .strictObject({
    uri: ExtensionUri.describe('URI of the header extension.'),
    id: uint.min(1).max(255).describe('Id in the RTP header.'),
    encrypt: z.boolean().optional().describe('Whether its value is encrypted (RFC 6904).'),
    parameters: CodecParameters.optional(),
  })
  .describe('An RTP header extension in use (RFC 8285).');

export const RtpParameters = z
  .strictObject({
    mid: Mid.optional().describe('Value of the header extension MID. Unique on its transport.'),
    msid: Msid.optional().describe('Stream and track, as in the SDP attribute `msid` (RFC 8830).'),
    codecs: z.array(RtpCodecParameters).min(1).max(16).describe('The media codec first, then its `rtx` codec.'),
    headerExtensions: z.array(RtpHeaderExtensionParameters).max(32).optional().describe('Header extensions in use.'),
    encodings: z
      .array(RtpEncoding)
      .max(8)
      .optional()
      .describe('Streams, from the lowest simulcast layer to the highest.'),
    rtcp: z
      .strictObject({
        cname: Cname.optional().describe('Canonical name (RFC 3550): the same for all streams of one source of time.'),
        reducedSize: z.boolean().optional().describe('Reduced-size RTCP (RFC 5506).'),
        mux: z.boolean().optional().describe('RTP and RTCP on one port. The server requires it.'),
      })
      .optional()
      .describe('RTCP settings.'),
  })
  .describe('What is sent on a transport (mediasoup `RtpParameters`).');
export type RtpParameters = z.infer<typeof RtpParameters>;

const fingerprint = <Algorithm extends string>(algorithm: Algorithm, bytes: number) =>
  z.strictObject({
    algorithm: z.literal(algorithm).describe('Hash function.'),
    value: hashOf(bytes).describe('Hash of the certificate: upper-case hexadecimal bytes, separated by colons.'),
  });
const Fingerprint = z.discriminatedUnion('algorithm', [
  fingerprint('sha-1', 20),
  fingerprint('sha-224', 28),
  fingerprint('sha-256', 32),
  fingerprint('sha-384', 48),
  fingerprint('sha-512', 64),
]);

export const DtlsParameters = z
  .strictObject({
    role: z
      .enum(['auto', 'client', 'server'])
      .optional()
      .describe('Role of the endpoint that sends these parameters. Clients send `client`. Default: `auto`.'),
    fingerprints: z.array(Fingerprint).min(1).max(8).describe('Fingerprints of its certificate (RFC 8122).'),
  })
  .describe('DTLS parameters of one endpoint.');
export type DtlsParameters = z.infer<typeof DtlsParameters>;

export const IceParameters = z
  .object({
    usernameFragment: text.describe('ICE username fragment.'),
    password: text.describe('ICE password.'),
    iceLite: z.boolean().optional().describe('True: the server is ICE-lite, the client is the controlling agent.'),
  })
  .describe('ICE credentials of the server (RFC 8445).');

export const IceCandidate = z
  .object({
    foundation: text.describe('Foundation of the candidate.'),
    priority: uint.describe('Priority. The highest is tried first.'),
    address: text.describe('IP address or host name.'),
    ip: text.describe('The same as `address`, for older clients of mediasoup.'),
    protocol: z.enum(['udp', 'tcp']).describe('Transport protocol.'),
    port: uint.max(65_535).describe('Port.'),
    type: z.enum(['host', 'srflx', 'prflx', 'relay']).describe('Type of the candidate. The server sends `host`.'),
    tcpType: z.enum(['active', 'passive', 'so']).optional().describe('Only for TCP. The server sends `passive`.'),
  })
  .describe('An address at which the server receives media (RFC 8445).');

export const TransportParameters = z
  .object({
    id: text.describe('Id of the transport: `transportId` in requests.'),
    iceParameters: IceParameters,
    iceCandidates: z.array(IceCandidate).max(32).describe('Addresses of the server.'),
    dtlsParameters: DtlsParameters,
  })
  .describe('A WebRTC transport of the server, as a client needs it to connect.');
export type TransportParameters = z.infer<typeof TransportParameters>;

export const Layers = z
  .strictObject({
    spatial: uint.max(7).describe('Highest spatial or simulcast layer. 0 is the lowest.'),
    temporal: uint
      .max(7)
      .optional()
      .describe('Highest temporal layer. 0 is the lowest. Default: the highest there is.'),
  })
  .describe('The highest layers to forward to a subscriber.');
export type Layers = z.infer<typeof Layers>;

export const MaxSpatialLayer = uint
  .max(7)
  .nullable()
  .describe(
    'Highest spatial or simulcast layer that a subscription in the fleet uses; 0 is the lowest. `null`: none uses the video. A newer value replaces it.',
  );
export type MaxSpatialLayer = z.infer<typeof MaxSpatialLayer>;

export const Subscription = z
  .object({
    publicationId: z.string().describe('Id of the publication.'),
    consumerId: text.describe('Id of the consumer: `id` for `consume` of mediasoup-client.'),
    producerId: text.describe('Id of the producer. Another one in `publication_updated` means: subscribe again.'),
    kind: MediaKind,
    rtpParameters: RtpParameters,
    type: z.enum(['simple', 'simulcast', 'svc', 'pipe']).describe('Type of the consumer (mediasoup `ConsumerType`).'),
    paused: z.boolean().describe('Send `update_subscriptions` with `paused: false` when the receiver is ready.'),
  })
  .describe('A consumer: what a client needs to receive one publication.');
export type Subscription = z.infer<typeof Subscription>;

export const IceServer = z
  .object({
    urls: z.array(z.string()).describe('`turn:` and `turns:` URLs of the server (RFC 7065).'),
    username: z.string().describe('When the credential expires, in seconds since the Unix epoch, and the session.'),
    credential: z.string().describe('Password of `username`.'),
  })
  .describe('A TURN server with a time-limited credential, in the form of `RTCIceServer`.');
export type IceServer = z.infer<typeof IceServer>;

/** TURN servers in replies that open media or renew the credential. */
export const iceServersField = {
  iceServers: z
    .array(IceServer)
    .optional()
    .describe(
      'TURN servers of the fleet, for the connections to SFU nodes and to the other participant. The credential is valid as long as the token of the session. Absent when the fleet has none.',
    ),
};

export const MediaSessionParameters = z
  .object({
    nodeId: z.string().describe('The SFU node.'),
    send: TransportParameters.describe('Transport for what the client publishes.'),
    recv: TransportParameters.describe('Transport for what the client receives.'),
    subscriptions: z
      .array(Subscription)
      .describe('The first subscriptions. Their consumers are on `recv`. In `migrate`: all of them.'),
  })
  .describe('The transports of a session on an SFU node, and its current subscriptions.');
export type MediaSessionParameters = z.infer<typeof MediaSessionParameters>;

/** Time that media took to arrive, as its receiver measured it. */
export const MediaReport = z.strictObject({
  measure: z
    .enum(['first_frame', 'recovery'])
    .describe(
      '`first_frame`: from the beginning of the connection to the first decoded frame of a video of the room. `recovery`: from the last packet before media was lost to the first decoded frame after it, or to the first packet of audio where no video is received.',
    ),
  ms: z
    .number()
    .nonnegative()
    .max(60_000)
    .describe('The time, in milliseconds. Media that did not arrive within 10 s is reported with 10,000.'),
});
export type MediaReport = z.infer<typeof MediaReport>;
