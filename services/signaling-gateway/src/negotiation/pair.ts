/**
 * State machine of the negotiation between two participants, as the server between them sees it (W3C WebRTC section 4.3.1).
 * Independent of the participants' identities and of where the record is stored.
 */
import { createHash } from 'node:crypto';
import { FlotillaError, maxSdpLength, type NegotiationState, type NegotiationEvent } from '@flotilla/contracts';
import { z } from 'zod';

/** `first` is the side whose participant id sorts first. It is the polite one. */
export const Side = z.enum(['first', 'second']);
export type Side = z.infer<typeof Side>;

export const otherSide = (side: Side): Side => (side === 'first' ? 'second' : 'first');

/** ICE user name fragments of one side: those in force, and those of a description that is not answered yet. */
const Generations = z.object({ current: z.array(z.string()), pending: z.array(z.string()) });
const SideRecord = z.object({
  ice: Generations,
  /** Hash of its last description. A description with the same hash was repeated because the reply was lost. */
  lastDescription: z.string(),
});

/** State of a pair. `offerer` is the side whose offer is pending. */
export const PairRecord = z.object({
  phase: z.enum(['stable', 'offer', 'pranswer', 'closed']),
  offerer: Side.optional(),
  first: SideRecord,
  second: SideRecord,
});
export type PairRecord = z.infer<typeof PairRecord>;

const emptySide: z.infer<typeof SideRecord> = { ice: { current: [], pending: [] }, lastDescription: '' };

/** A pair before its first message. */
export const newPair: PairRecord = { phase: 'stable', first: emptySide, second: emptySide };

/** Result of a message: the new record, and what to forward to the other side. A repeated message is not forwarded. */
export interface Applied {
  readonly record: PairRecord;
  readonly forward?: NegotiationEvent;
}

/** RTCPeerConnection.signalingState of a side that has applied all messages. */
export function stateOf({ phase, offerer }: PairRecord, side: Side): NegotiationState {
  switch (phase) {
    case 'offer':
      return side === offerer ? 'have-local-offer' : 'have-remote-offer';
    case 'pranswer':
      return side === offerer ? 'have-remote-pranswer' : 'have-local-pranswer';
    default:
      return phase;
  }
}

/** Applies a message of one side. Throws WRONG_STATE, which names the side's state, GLARE or SDP_TOO_BIG. */
export function apply(record: PairRecord, side: Side, part: NegotiationEvent): Applied {
  switch (part.kind) {
    case 'offer':
    case 'pranswer':
    case 'answer':
      return describe(record, side, part);
    case 'candidate':
      requireGeneration(record, side, part.candidate.usernameFragment);
      return { record, forward: part };
    case 'end_of_candidates':
      requireGeneration(record, side, part.usernameFragment);
      return { record, forward: part };
    case 'streams':
      if (record.phase === 'closed') throw wrongState(record, side, 'start with an offer');
      return { record, forward: part };
    case 'rollback':
      if (record.offerer !== side) throw wrongState(record, side, 'there is no offer of yours to roll back');
      return { record: withoutOffer(record), forward: part };
    case 'close':
      return record.phase === 'closed' ? { record } : { record: { ...newPair, phase: 'closed' }, forward: part };
  }
}

type Description = Extract<NegotiationEvent, { sdp: string }>;

function describe(record: PairRecord, side: Side, part: Description): Applied {
  if (part.sdp.length > maxSdpLength)
    throw new FlotillaError(
      'SDP_TOO_BIG',
      `the ${part.kind} has ${part.sdp.length} characters, the limit is ${maxSdpLength}; the negotiation is "${stateOf(record, side)}"`,
    );
  const hash = createHash('sha256').update(`${part.kind}\n${part.sdp}`).digest('base64url');
  if (record[side].lastDescription === hash) return { record };
  const generation = ufragsOf(part.sdp);
  return part.kind === 'offer'
    ? offer(record, side, part, hash, generation)
    : answer(record, side, part, hash, generation);
}

function offer(record: PairRecord, side: Side, part: Description, hash: string, generation: string[]): Applied {
  if (record.phase === 'pranswer') throw wrongState(record, side, 'the previous offer is being answered');
  if (record.phase === 'offer' && record.offerer !== side && side === 'first')
    throw new FlotillaError(
      'GLARE',
      `the negotiation is "${stateOf(record, side)}": the other side's offer takes precedence; roll yours back and answer theirs`,
    );
  // An offer after the end starts a new negotiation; the impolite side's offer replaces a pending one of the polite side.
  const before = record.phase === 'closed' ? newPair : withoutOffer(record);
  const own = { ice: { ...before[side].ice, pending: generation }, lastDescription: hash };
  return { record: { ...before, phase: 'offer', offerer: side, [side]: own }, forward: part };
}

function answer(record: PairRecord, side: Side, part: Description, hash: string, generation: string[]): Applied {
  const { offerer } = record;
  if (offerer !== otherSide(side)) throw wrongState(record, side, `there is no offer to ${part.kind}`);
  if (part.kind === 'pranswer') {
    const own = { ice: { ...record[side].ice, pending: generation }, lastDescription: hash };
    return { record: { ...record, phase: 'pranswer', [side]: own }, forward: part };
  }
  const theirs = record[offerer];
  return {
    record: {
      phase: 'stable',
      first: emptySide,
      second: emptySide,
      [side]: { ice: { current: generation, pending: [] }, lastDescription: hash },
      [offerer]: { ...theirs, ice: { current: theirs.ice.pending, pending: [] } },
    },
    forward: part,
  };
}

/** The record before the pending offer, if there is one. The discarded descriptions may be sent again. */
function withoutOffer(record: PairRecord): PairRecord {
  const { offerer } = record;
  if (!offerer) return record;
  const before = (side: Side): PairRecord[Side] => ({
    ice: { ...record[side].ice, pending: [] },
    lastDescription: side === offerer || record.phase === 'pranswer' ? '' : record[side].lastDescription,
  });
  return { phase: 'stable', first: before('first'), second: before('second') };
}

function requireGeneration(record: PairRecord, side: Side, ufrag: string): void {
  const { current, pending } = record[side].ice;
  if (!current.includes(ufrag) && !pending.includes(ufrag))
    throw wrongState(record, side, `none of your current descriptions has ICE generation "${ufrag.slice(0, 32)}"`);
}

function wrongState(record: PairRecord, side: Side, why: string): FlotillaError {
  return new FlotillaError('WRONG_STATE', `the negotiation is "${stateOf(record, side)}": ${why}`);
}

/** The ICE generations of a description: one, more if its media is not bundled (RFC 8839 section 5.4). */
export function ufragsOf(sdp: string): string[] {
  return [...new Set([...sdp.matchAll(/^a=ice-ufrag:([^\r\n]{1,256})/gm)].map(([, ufrag]) => ufrag!))];
}
