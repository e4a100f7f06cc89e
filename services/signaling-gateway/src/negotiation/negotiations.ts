import { encodeRoomEvent } from '@flotilla/bus';
import { FlotillaError, type Negotiation, type NegotiationEvent, read, type ReplyPayload } from '@flotilla/contracts';
import { pairKey, type RoomStore } from '@flotilla/store';
import type { Session } from '../sessions/session.ts';
import { apply, newPair, PairRecord, type Side, stateOf } from './pair.ts';
import { requireGrantsOf } from './sdp-grants.ts';

/** Attempts to store a message while the other side stores its own. At each collision one of the two succeeds. */
const maxAttempts = 8;

/**
 * Passes offers, answers and candidates between two participants. The store keeps the record of each pair and appends the
 * event in the same step, so that both sides see one order of messages, whichever gateways they are on.
 */
export class Negotiations {
  constructor(private readonly rooms: RoomStore) {}

  /** Throws FORBIDDEN, BAD_PAYLOAD, WRONG_STATE, GLARE, SDP_TOO_BIG, PARTICIPANT_NOT_FOUND; UNAVAILABLE after too many collisions. */
  async negotiate(
    session: Session,
    roomId: string,
    { peer: to, ...part }: Negotiation,
  ): Promise<ReplyPayload<'negotiate'>> {
    const { participantId: from } = session.membership(roomId);
    if ('sdp' in part) requireGrantsOf(part.sdp, session.identity.grants);
    const side: Side = from < to ? 'first' : 'second';
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      const state = await this.#tryPass(roomId, side, from, to, part);
      if (state !== undefined) return { state };
    }
    throw new FlotillaError('UNAVAILABLE', 'the other side sends without a pause, try again');
  }

  /** Returns the state of the sender's side, undefined when the other side's message was stored meanwhile. */
  async #tryPass(
    roomId: string,
    side: Side,
    from: string,
    to: string,
    part: NegotiationEvent,
  ): Promise<ReplyPayload<'negotiate'>['state'] | undefined> {
    const { mediaMode, peer, version, record: text } = await this.rooms.pair(roomId, from, to);
    if (mediaMode === 'sfu') throw new FlotillaError('WRONG_STATE', "the room's media goes through the SFU");
    if (!peer || from === to) throw new FlotillaError('PARTICIPANT_NOT_FOUND');
    const known = text === undefined ? newPair : read(PairRecord, JSON.parse(text));
    const { record, forward } = apply(known, side, part);
    const state = stateOf(record, side);
    // A repeated message, or the end of a negotiation that never began.
    if (!forward || (part.kind === 'close' && text === undefined)) return state;
    const stored = await this.rooms.putPair(roomId, {
      pair: pairKey(from, to),
      participants: [from, to],
      expectedVersion: version,
      update: record === known ? undefined : { state: stateOf(record, 'first'), record: JSON.stringify(record) },
      event: encodeRoomEvent({ type: 'negotiation', from, payload: forward, only: [peer.sessionId] }),
    });
    return stored ? state : undefined;
  }
}
