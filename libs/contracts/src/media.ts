/**
 * Transport and RTP parameters that clients and SFU nodes exchange, in mediasoup's terms (which are ORTC's). These schemas
 * bound strings and arrays; mediasoup checks that the parameters are consistent.
 */
import { z } from 'zod';

const text = z.string().max(256);
const uint = z.int().nonnegative();

export const MediaKind = z.enum(['audio', 'video']);
export type MediaKind = z.infer<typeof MediaKind>;

/** What a publication captures. */
export const Source = z.enum(['microphone', 'camera', 'screen', 'screen_audio', 'other']);
export type Source = z.infer<typeof Source>;

const CodecParameters = z.record(text, z.union([text, z.number(), z.boolean(), z.null()]));
export const RtcpFeedback = z.strictObject({ type: text, parameter: text.optional() });

export const RtpCodecCapability = z.strictObject({
  kind: MediaKind,
  mimeType: text,
  preferredPayloadType: uint.max(127).optional(),
  clockRate: uint,
  channels: uint.optional(),
  parameters: CodecParameters.optional(),
  rtcpFeedback: z.array(RtcpFeedback).max(16).optional(),
});

export const RtpHeaderExtension = z.strictObject({
  kind: MediaKind,
  uri: text,
  preferredId: uint.max(255),
  preferredEncrypt: z.boolean().optional(),
  direction: z.enum(['sendrecv', 'sendonly', 'recvonly', 'inactive']).optional(),
});

export const RtpCapabilities = z.strictObject({
  codecs: z.array(RtpCodecCapability).max(64).optional(),
  headerExtensions: z.array(RtpHeaderExtension).max(64).optional(),
  fecMechanisms: z
    .array(text)
    .max(16)
    .optional()
    .describe('Accepted because ORTC clients send it, and ignored: mediasoup negotiates FEC as codecs.'),
});
export type RtpCapabilities = z.infer<typeof RtpCapabilities>;

export const RtpEncoding = z.strictObject({
  ssrc: uint.optional(),
  rid: z.string().max(32).optional(),
  codecPayloadType: uint.max(127).optional(),
  rtx: z.strictObject({ ssrc: uint }).optional(),
  dtx: z.boolean().optional(),
  scalabilityMode: text.optional(),
  maxBitrate: uint.optional(),
  maxFramerate: z.number().nonnegative().optional(),
  scaleResolutionDownBy: z.number().min(1).optional(),
  active: z.boolean().optional(),
  adaptivePtime: z.boolean().optional(),
  priority: text.optional(),
  networkPriority: text.optional(),
});

export const RtpCodecParameters = z.strictObject({
  mimeType: text,
  payloadType: uint.max(127),
  clockRate: uint,
  channels: uint.optional(),
  parameters: CodecParameters.optional(),
  rtcpFeedback: z.array(RtcpFeedback).max(16).optional(),
});

export const RtpHeaderExtensionParameters = z.strictObject({
  uri: text,
  id: uint.max(255),
  encrypt: z.boolean().optional(),
  parameters: CodecParameters.optional(),
});

export const RtpParameters = z.strictObject({
  mid: text.optional(),
  msid: text.optional(),
  codecs: z.array(RtpCodecParameters).min(1).max(16),
  headerExtensions: z.array(RtpHeaderExtensionParameters).max(32).optional(),
  encodings: z.array(RtpEncoding).max(8).optional(),
  rtcp: z
    .strictObject({ cname: text.optional(), reducedSize: z.boolean().optional(), mux: z.boolean().optional() })
    .optional(),
});
export type RtpParameters = z.infer<typeof RtpParameters>;

export const DtlsParameters = z.strictObject({
  role: z.enum(['auto', 'client', 'server']).optional(),
  fingerprints: z
    .array(z.strictObject({ algorithm: z.enum(['sha-1', 'sha-224', 'sha-256', 'sha-384', 'sha-512']), value: text }))
    .min(1)
    .max(8),
});
export type DtlsParameters = z.infer<typeof DtlsParameters>;

export const IceParameters = z.object({ usernameFragment: text, password: text, iceLite: z.boolean().optional() });

export const IceCandidate = z.object({
  foundation: text,
  priority: uint,
  address: text,
  ip: text,
  protocol: z.enum(['udp', 'tcp']),
  port: uint.max(65_535),
  type: z.enum(['host', 'srflx', 'prflx', 'relay']),
  tcpType: z.enum(['active', 'passive', 'so']).optional(),
});

/** One server-side WebRTC transport, as the client needs it to connect. */
export const TransportParameters = z.object({
  id: text,
  iceParameters: IceParameters,
  iceCandidates: z.array(IceCandidate).max(32),
  dtlsParameters: DtlsParameters,
});
export type TransportParameters = z.infer<typeof TransportParameters>;

/** The highest simulcast or SVC layers to forward to a subscriber. 0 is the lowest. */
export const Layers = z.strictObject({ spatial: uint.max(7), temporal: uint.max(7).optional() });
export type Layers = z.infer<typeof Layers>;

/** Consumer parameters: what the client needs to receive one publication. */
export const Subscription = z.object({
  publicationId: z.string(),
  consumerId: text,
  producerId: text,
  kind: MediaKind,
  rtpParameters: RtpParameters,
  type: z.enum(['simple', 'simulcast', 'svc', 'pipe']),
  paused: z.boolean().describe('Send `update_subscriptions` with `paused: false` when the receiver is ready.'),
});
export type Subscription = z.infer<typeof Subscription>;

/** The transports of a session on its SFU node, and its current subscriptions. */
export const MediaSessionParameters = z.object({
  nodeId: z.string(),
  send: TransportParameters,
  recv: TransportParameters,
  subscriptions: z.array(Subscription),
});
export type MediaSessionParameters = z.infer<typeof MediaSessionParameters>;
