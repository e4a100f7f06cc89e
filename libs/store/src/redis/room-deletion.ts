import { encodeRoomEvent } from '@flotilla/bus/events';
import { type FailedRecord, forEachRecord } from '../each-record.ts';
import { deletedStreamSeconds } from '../room-record.ts';
import type { Keys } from './keys.ts';
import type { ScriptClient } from './script-client.ts';

/** Members that one run of a script removes; a script blocks Redis. */
const membersPerRun = 500;
/** Rooms that one call deletes. */
const expiredPerCall = 100;
/** A room that could not be deleted is due again after this long, ms. */
const retryDeletionMs = 60_000;

/** Deletes rooms in Redis: their members are taken out in several runs, each of which any instance continues. */
export class RoomDeletion {
  constructor(
    private readonly client: ScriptClient,
    private readonly keys: Keys,
  ) {}

  /** See RoomStore.delete. */
  async delete(roomId: string): Promise<boolean> {
    return (await this.#delete(roomId, '')) === 'closed';
  }

  /** `closed`: this call closed the room; `finished`: another did, and its members are out now; undefined: the room is not due. */
  async #delete(roomId: string, expiredOnly: 'yes' | ''): Promise<'closed' | 'finished' | undefined> {
    const event = encodeRoomEvent({ type: 'room_deleted', from: 'system', payload: {} });
    const values = { roomId, event, deletedSeconds: deletedStreamSeconds, limit: membersPerRun, expiredOnly };
    let outcome: 'closed' | 'finished' | undefined;
    for (;;) {
      const run = await this.client.run('deleteRoom', values);
      if (run === null) return outcome;
      const [closed, remaining] = run;
      if (closed === 1) outcome = 'closed';
      outcome ??= 'finished';
      if (remaining === 0) return outcome;
    }
  }

  /** See RoomStore.deleteExpired. */
  async deleteExpired(): Promise<{ deleted: string[]; failed: FailedRecord[] }> {
    const due = await this.client.run('expiredRooms', { limit: expiredPerCall });
    const deleted: string[] = [];
    const failed = await forEachRecord(due, async (id) => {
      if (await this.#delete(id, 'yes')) deleted.push(id);
    });
    // Else rooms that cannot be deleted would be the first ones of every call. One that somebody joined is not in the set any more.
    for (const { record } of failed)
      await this.client.do((redis) => redis.zadd(this.keys.emptyRooms(), 'XX', Date.now() + retryDeletionMs, record));
    return { deleted, failed };
  }
}
