/**
 * The negotiation of two participants as a state machine (W3C WebRTC, section 4.3.1), as the server in the middle sees it.
 * It knows nothing of who they are or where the record is kept.
 */
import { createHash } from 'node:crypto';
import { FlotillaError, maxSdpLength, type NegotiationState, type NegotiationEvent } from '@flotilla/contracts';
import { z } from 'zod';

/** `first` is the one whose participant id sorts first: the polite one. */
export const Side = z.enum(['first', 'second']);
export type Side = z.infer<typeof Side>;

export const otherSide = (side: Side): Side => (side === 'first' ? 'second' : 'first');

/** ICE user name fragments that one side's descriptions name: those in force, and those of a description not yet answered. */
const Generations = z.object({ current: z.array(z.string()), pending: z.array(z.string()) });
const SideRecord = z.object({
  ice: Generations,
  /** Hash of its last description: the same once more is one that was sent again because the reply was lost. */
  said: z.string(),
});

/** How far two participants are. `offerer` is whose offer counts, while one does. */
export const PairRecord = z.object({
  phase: z.enum(['stable', 'offer', 'pranswer', 'closed']),
  offerer: Side.optional(),
  first: SideRecord,
  second: SideRecord,
});
export type PairRecord = z.infer<typeof PairRecord>;

const silent: z.infer<typeof SideRecord> = { ice: { current: [], pending: [] }, said: '' };

/** Two who have said nothing yet. */
export const newPair: PairRecord = { phase: 'stable', first: silent, second: silent };

/** What came of a part: the record as it is now, and what the other side is told, unless it knows it. */
export interface Applied {
  readonly record: PairRecord;
  readonly forward?: NegotiationEvent;
}

/** RTCPeerConnection.signalingState as that side has it once it acted on all it was told. */
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

/** Takes in what a side says. Throws WRONG_STATE, which names the side's state, GLARE or SDP_TOO_BIG; then nothing changed. */
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
      if (record.phase === 'closed') throw wrongState(record, side, 'begin with an offer');
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
      `the ${part.kind} has ${part.sdp.length} characters, ${maxSdpLength} are the most; the negotiation is "${stateOf(record, side)}"`,
    );
  const said = createHash('sha256').update(`${part.kind}\n${part.sdp}`).digest('base64url');
  if (record[side].said === said) return { record };
  const generation = ufragsOf(part.sdp);
  return part.kind === 'offer'
    ? offer(record, side, part, said, generation)
    : answer(record, side, part, said, generation);
}

function offer(record: PairRecord, side: Side, part: Description, said: string, generation: string[]): Applied {
  if (record.phase === 'pranswer') throw wrongState(record, side, 'the offer before is being answered');
  if (record.phase === 'offer' && record.offerer !== side && side === 'first')
    throw new FlotillaError(
      'GLARE',
      `the negotiation is "${stateOf(record, side)}": the other side's offer counts; roll yours back and answer theirs`,
    );
  // An offer after the end begins anew; one that meets a polite side's offer takes its place.
  const before = record.phase === 'closed' ? newPair : withoutOffer(record);
  const own = { ice: { ...before[side].ice, pending: generation }, said };
  return { record: { ...before, phase: 'offer', offerer: side, [side]: own }, forward: part };
}

function answer(record: PairRecord, side: Side, part: Description, said: string, generation: string[]): Applied {
  const { offerer } = record;
  if (offerer !== otherSide(side)) throw wrongState(record, side, `there is no offer to ${part.kind}`);
  if (part.kind === 'pranswer') {
    const own = { ice: { ...record[side].ice, pending: generation }, said };
    return { record: { ...record, phase: 'pranswer', [side]: own }, forward: part };
  }
  const theirs = record[offerer];
  return {
    record: {
      phase: 'stable',
      first: silent,
      second: silent,
      [side]: { ice: { current: generation, pending: [] }, said },
      [offerer]: { ...theirs, ice: { current: theirs.ice.pending, pending: [] } },
    },
    forward: part,
  };
}

/** As it was before the offer that counts, if one does. The descriptions that are void may be sent again. */
function withoutOffer(record: PairRecord): PairRecord {
  const { offerer } = record;
  if (!offerer) return record;
  const before = (side: Side): PairRecord[Side] => ({
    ice: { ...record[side].ice, pending: [] },
    said: side === offerer || record.phase === 'pranswer' ? '' : record[side].said,
  });
  return { phase: 'stable', first: before('first'), second: before('second') };
}

function requireGeneration(record: PairRecord, side: Side, ufrag: string): void {
  const { current, pending } = record[side].ice;
  if (!current.includes(ufrag) && !pending.includes(ufrag))
    throw wrongState(record, side, `none of your descriptions that count has ICE generation "${ufrag.slice(0, 32)}"`);
}

function wrongState(record: PairRecord, side: Side, why: string): FlotillaError {
  return new FlotillaError('WRONG_STATE', `the negotiation is "${stateOf(record, side)}": ${why}`);
}

/** The ICE generations of a description: one, unless its media is not bundled (RFC 8839, section 5.4). */
export function ufragsOf(sdp: string): string[] {
  return [...new Set([...sdp.matchAll(/^a=ice-ufrag:([^\r\n]{1,256})/gm)].map(([, ufrag]) => ufrag!))];
}
