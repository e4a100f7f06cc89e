/**
 * Peer-to-peer negotiation: the messages that two participants of a room in `peer` mode exchange through the server, in WebRTC's
 * terms (W3C WebRTC, section 4.3.1; perfect negotiation, section 10.7; trickle ICE, RFC 8838).
 */
import { z } from 'zod';
import { TrickledCandidate, UsernameFragment } from './ice-candidate.ts';
import { ParticipantId, PublicationId } from './ids.ts';
import { MediaKind, Source } from './media.ts';
import { Mid } from './sdp-grammar.ts';
import { KnownLabel, Label } from './shown-text.ts';

/** The longest session description, in characters. A longer one is answered SDP_TOO_BIG. */
export const maxSdpLength = 32_768;

export const NegotiationState = z
  .enum(['stable', 'have-local-offer', 'have-remote-offer', 'have-local-pranswer', 'have-remote-pranswer', 'closed'])
  .describe('State of the negotiation, as `signalingState` of the RTCPeerConnection of the one who receives it.');
export type NegotiationState = z.infer<typeof NegotiationState>;

const streamWith = (label: z.ZodString) =>
  z
    .strictObject({
      mid: Mid.describe('`mid` of the transceiver.'),
      publicationId: PublicationId.describe('Chosen by the sender. It stays when the room moves to the SFU.'),
      kind: MediaKind,
      source: Source,
      label: label.optional(),
      muted: z.boolean().describe('Whether the publication is muted.'),
    })
    .describe('The publication that a transceiver of the sender carries.');
export const PeerStream = streamWith(Label);
export type PeerStream = z.infer<typeof PeerStream>;
/** As the other side receives it. */
export const ReceivedStream = streamWith(KnownLabel);

const peer = { peer: ParticipantId.describe('The other participant.') };

const partsWith = (stream: typeof PeerStream) => {
  const description = {
    sdp: z
      .string()
      .min(1)
      .describe('Session description (RFC 8866). More than 32,768 characters are answered SDP_TOO_BIG.'),
    streams: z
      .array(stream)
      .max(16)
      .default([])
      .describe('All publications that the sender sends. Replaces the previous list.'),
  };
  return {
    offer: z.strictObject({ kind: z.literal('offer'), ...description }),
    pranswer: z.strictObject({ kind: z.literal('pranswer'), ...description }),
    answer: z.strictObject({ kind: z.literal('answer'), ...description }),
    rollback: z.strictObject({ kind: z.literal('rollback') }),
    candidate: z.strictObject({
      kind: z.literal('candidate'),
      candidate: TrickledCandidate.describe('A candidate of the sender (trickle ICE, RFC 8838).'),
    }),
    end_of_candidates: z.strictObject({
      kind: z.literal('end_of_candidates'),
      usernameFragment: UsernameFragment.describe('ICE username fragment of the generation, 4 to 256 characters.'),
    }),
    streams: z.strictObject({
      kind: z.literal('streams'),
      streams: z
        .array(stream)
        .max(16)
        .describe('All publications that the sender sends, after a change without a new description, such as a mute.'),
    }),
    close: z.strictObject({ kind: z.literal('close') }),
  } as const;
};
const parts = partsWith(PeerStream);
const received = partsWith(ReceivedStream);

/** One part of a negotiation, as a client sends it. An ICE restart is an offer with new ICE credentials. */
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
  received.offer,
  received.pranswer,
  received.answer,
  received.rollback,
  received.candidate,
  received.end_of_candidates,
  received.streams,
  received.close,
]);
export type NegotiationEvent = z.output<typeof NegotiationEvent>;

/**
 * Who gives way when both offer at once (perfect negotiation): the one whose participant id sorts first is polite.
 */
export const isPolite = (participantId: string, peerId: string): boolean => participantId < peerId;
