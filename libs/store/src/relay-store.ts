import type { RelayReport, RelayView, RetainedMessage } from '@flotilla/contracts';

/** A retained value. `userId`: the user of its publisher, unless an earlier version wrote it. */
export type RetainedKey = Pick<RetainedMessage, 'topic' | 'publisherId' | 'userId'>;

/** The metadata relays, and the values that they retain for rooms. */
export interface RelayStore {
  /** A relay's heartbeat. */
  report(report: RelayReport): Promise<void>;

  /** All relays that have not been removed, dead ones included. */
  list(): Promise<RelayView[]>;

  remove(relayId: string): Promise<void>;

  /**
   * Chooses the relay for a new link of a room: the room's relay if that has capacity, else the least loaded, which becomes the room's.
   * Throws NO_CAPACITY.
   *
   * @param exclude relays that do not answer.
   * @param avoid a relay that the client of this link cannot reach. It remains the room's.
   */
  assign(roomId: string, exclude: readonly string[], avoid?: string): Promise<string>;

  /**
   * Retains a message in place of the previous one of its publisher on its topic. Does nothing while the publisher is barred, see `barred`:
   * a relay may write late.
   */
  retain(roomId: string, message: RetainedMessage): Promise<void>;

  /** Deletes the retained value of a publisher on a topic. */
  forget(roomId: string, value: RetainedKey): Promise<void>;

  /** The retained values of a room. They are deleted with the room, and `retainedSeconds` after the last change. */
  retained(roomId: string): Promise<RetainedMessage[]>;

  /**
   * The publishers whose retained values the store has deleted, at most `retainedSeconds` ago, and that may retain none: participants that were
   * removed or revoked, or lost the grant `publish`, and those that users of these were before in the room. A participant that joins
   * again, or gets the grant again, is not among them.
   */
  barred(roomId: string): Promise<string[]>;
}

/** Retained values of a room are kept for this long after the last change, s. */
export const retainedSeconds = 3600;
