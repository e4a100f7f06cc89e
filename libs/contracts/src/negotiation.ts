/**
 * Peer-to-peer negotiation: the messages that two participants of a room in `peer` mode exchange through the server, in WebRTC's
 * terms (W3C WebRTC, section 4.3.1; perfect negotiation, section 10.7; trickle ICE, RFC 8838).
 */
import { z } from 'zod';
import { ParticipantId, PublicationId } from './ids.ts';
import { MediaKind, Source } from './media.ts';

/** The longest session description, in characters. A longer one is answered SDP_TOO_BIG. */
export const maxSdpLength = 32_768;

/** RTCPeerConnection.signalingState of the side that receives it. */
export const NegotiationState = z.enum([
  'stable',
  'have-local-offer',
  'have-remote-offer',
  'have-local-pranswer',
  'have-remote-pranswer',
  'closed',
]);
export type NegotiationState = z.infer<typeof NegotiationState>;

/** What a transceiver carries, so that both sides call it by the same publication id, also when the room moves to the SFU. */
export const PeerStream = z.strictObject({
  mid: z.string().max(32),
  publicationId: PublicationId,
  kind: MediaKind,
  source: Source,
  label: z.string().max(128).optional(),
  muted: z.boolean(),
});
export type PeerStream = z.infer<typeof PeerStream>;

const peer = { peer: ParticipantId.describe('The other participant.') };
const description = {
  sdp: z.string().min(1),
  streams: z.array(PeerStream).max(16).default([]).describe('What the sender of this description sends.'),
};

const IceCandidate = z.strictObject({
  candidate: z.string().max(1024),
  sdpMid: z.string().max(32).nullable(),
  sdpMLineIndex: z.int().nonnegative().max(255).nullable(),
  usernameFragment: z
    .string()
    .max(256)
    .describe('Identifies the ICE generation; a previous one is answered WRONG_STATE.'),
});

const parts = {
  offer: z.strictObject({ kind: z.literal('offer'), ...description }),
  pranswer: z.strictObject({ kind: z.literal('pranswer'), ...description }),
  answer: z.strictObject({ kind: z.literal('answer'), ...description }),
  rollback: z.strictObject({ kind: z.literal('rollback') }),
  candidate: z.strictObject({ kind: z.literal('candidate'), candidate: IceCandidate }),
  end_of_candidates: z.strictObject({ kind: z.literal('end_of_candidates'), usernameFragment: z.string().max(256) }),
  /** What is sent changed without a new description: a mute. */
  streams: z.strictObject({ kind: z.literal('streams'), streams: z.array(PeerStream).max(16) }),
  close: z.strictObject({ kind: z.literal('close') }),
} as const;

/** One part of a negotiation, as a client sends it. ICE restart is an offer whose SDP has new ICE credentials. */
export const Negotiation = z.discriminatedUnion('kind', [
  parts.offer.extend(peer),
  parts.pranswer.extend(peer),
  parts.answer.extend(peer),
  parts.rollback.extend(peer),
  parts.candidate.extend(peer),
  parts.end_of_candidates.extend(peer),
  parts.streams.extend(peer),
  parts.close.extend(peer),
]);
export type Negotiation = z.output<typeof Negotiation>;

/** The same part as the other side receives it; the sender is the event's `from`. */
export const NegotiationEvent = z.discriminatedUnion('kind', [
  parts.offer,
  parts.pranswer,
  parts.answer,
  parts.rollback,
  parts.candidate,
  parts.end_of_candidates,
  parts.streams,
  parts.close,
]);
export type NegotiationEvent = z.output<typeof NegotiationEvent>;

/**
 * Who gives way when both offer at once (perfect negotiation): the one whose participant id sorts first is polite.
 */
export const isPolite = (participantId: string, peerId: string): boolean => participantId < peerId;
