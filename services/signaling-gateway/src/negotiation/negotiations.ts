import { encodeRoomEvent } from '@flotilla/bus';
import { FlotillaError, type Negotiation, type ReplyPayload, type NegotiationEvent } from '@flotilla/contracts';
import { pairKey, type RoomStore } from '@flotilla/store';
import type { Session } from '../sessions/session.ts';
import { apply, newPair, PairRecord, type Side, stateOf } from './pair.ts';

/** How often a part is tried again when the other side spoke at the same moment. Each time one of the two gets through. */
const maxTries = 8;

/**
 * Passes on what two participants negotiate. The record of each pair is in the store, and a part is told in the same step
 * that changes it: whichever gateways the two are on, there is one order of what was said.
 */
export class Negotiations {
  /** The part of a session that is under way, in each room: those after it wait, so that they count in the order sent. */
  readonly #underWay = new Map<string, Promise<unknown>>();

  constructor(private readonly rooms: RoomStore) {}

  /** Throws WRONG_STATE, GLARE, SDP_TOO_BIG, PARTICIPANT_NOT_FOUND, FORBIDDEN; UNAVAILABLE when the two get in each other's way for too long. */
  async negotiate(
    session: Session,
    roomId: string,
    { peer, ...part }: Negotiation,
  ): Promise<ReplyPayload<'negotiate'>> {
    const { participantId } = session.membership(roomId);
    if ('streams' in part && part.streams.length > 0) session.requireGrant('publish');
    const key = `${session.id}/${roomId}`;
    const turn = (this.#underWay.get(key) ?? Promise.resolve()).then(() =>
      this.#pass(roomId, participantId, peer, part),
    );
    const settled = turn.catch(() => undefined);
    this.#underWay.set(key, settled);
    try {
      return await turn;
    } finally {
      if (this.#underWay.get(key) === settled) this.#underWay.delete(key);
    }
  }

  async #pass(roomId: string, from: string, to: string, part: NegotiationEvent): Promise<ReplyPayload<'negotiate'>> {
    const side: Side = from < to ? 'first' : 'second';
    for (let attempt = 0; attempt < maxTries; attempt++) {
      const { mediaMode, peer, version, record: text } = await this.rooms.pair(roomId, from, to);
      if (mediaMode === 'sfu') throw new FlotillaError('WRONG_STATE', "the room's media goes through the SFU");
      if (!peer || from === to) throw new FlotillaError('PARTICIPANT_NOT_FOUND');
      const known = text === undefined ? newPair : PairRecord.parse(JSON.parse(text));
      const { record, forward } = apply(known, side, part);
      const state = stateOf(record, side);
      // Said before, or the end of what never began.
      if (!forward || (part.kind === 'close' && text === undefined)) return { state };
      const put = await this.rooms.putPair(roomId, {
        pair: pairKey(from, to),
        participants: [from, to],
        expectedVersion: version,
        update: record === known ? undefined : { state: stateOf(record, 'first'), record: JSON.stringify(record) },
        event: encodeRoomEvent({ type: 'negotiation', from, payload: forward, only: [peer.sessionId] }),
      });
      if (put) return { state };
    }
    throw new FlotillaError('UNAVAILABLE', 'the other side speaks without a pause');
  }
}
