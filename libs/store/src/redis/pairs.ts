import { FlotillaError, Room } from '@flotilla/contracts';
import { mediaModeOf } from '../room-record.ts';
import { type PairChange, pairKey, type PairState } from '../store.ts';
import type { Keys } from './keys.ts';
import { parseMember } from './room-records.ts';
import { requireAnswers, type ScriptClient } from './script-client.ts';

/** The peer-to-peer negotiations of rooms, in Redis. */
export class RedisPairs {
  constructor(
    private readonly client: ScriptClient,
    private readonly keys: Keys,
  ) {}

  /** See RoomStore.pair. */
  async read(roomId: string, from: string, to: string): Promise<PairState> {
    const { keys } = this;
    const answers = await this.client.do(async (redis) =>
      requireAnswers(
        await redis
          .multi()
          .get(keys.room(roomId))
          .exists(keys.upgraded(roomId))
          .hget(keys.members(roomId), to)
          .hget(keys.pairs(roomId), pairKey(from, to))
          .exec(),
      ),
    );
    const [room, upgraded, peer, pair] = answers as [string | null, number, string | null, string | null];
    if (room === null) throw new FlotillaError('ROOM_NOT_FOUND');
    const [, version = '0', , record] = /^(\d+) (\S+) (.*)$/s.exec(pair ?? '') ?? [];
    return {
      mediaMode: mediaModeOf(Room.parse(JSON.parse(room)), upgraded === 1),
      peer: peer === null ? undefined : parseMember(peer),
      version: Number(version),
      record,
    };
  }

  /** See RoomStore.putPair. */
  async put(roomId: string, change: PairChange): Promise<boolean> {
    const { pair, participants, expectedVersion, update, event } = change;
    const [one, other] = participants;
    const put = await this.client.run('putPair', {
      roomId,
      pair,
      one,
      other,
      expectedVersion,
      update: update ? `${update.state} ${update.record}` : '',
      event,
    });
    return put === 1;
  }
}
