import type { CommandPayload, MediaSessionParameters, Migration, MigrationEnd } from '@flotilla/contracts';

/** What a participant's media is opened with on a node. */
export type MediaRequest = Pick<CommandPayload<'sfu.open_session'>, 'rtpCapabilities' | 'subscribe' | 'publicationIds'>;

interface Order {
  /** Term of the holder of `plannerLease` that gives the order; undefined when it comes from an operator. */
  readonly term?: number | undefined;
}

/** Parameters of a new migration. */
export type MigrationRequest = Pick<
  Migration,
  'id' | 'roomId' | 'sessionId' | 'participantId' | 'reason' | 'startedAt' | 'deadline'
> &
  Order & {
    /** The node that the caller expects the member to be assigned to. */
    readonly fromNode?: string | undefined;
    readonly toNode?: string | undefined;
  };

/** A member whose node does not answer is assigned to another one. */
export type LostNodeRequest = Pick<Migration, 'id' | 'roomId' | 'sessionId' | 'participantId' | 'startedAt'> &
  Order & {
    /** The node that was lost. The member is not reassigned when it is on another one. */
    readonly fromNode?: string | undefined;
    /** Preferred when it has capacity. */
    readonly toNode?: string | undefined;
    /** The node counts as alive while its heartbeat is not this much older than the newest of any node, ms. */
    readonly lostAfterMs: number;
  };

/**
 * The journal of active migrations. Each step is written together with its change and its entry in the history, so that any
 * reader of the journal can continue a migration or roll it back, repeatedly.
 */
export interface MigrationStore {
  /**
   * Reserves capacity for a member on another node, the given one or the best, and writes the migration to the journal. Returns
   * it with what the member's media was opened with. Throws NOT_IN_ROOM, NO_CAPACITY, MIGRATION_RUNNING, MEDIA_NOT_OPEN,
   * MIGRATION_NOT_ACTIVE when the member is not on `fromNode`, STALE_TERM when another leader's term has begun since.
   */
  begin(request: MigrationRequest): Promise<{ migration: Migration; media: MediaRequest }>;

  /** The new side is open: appends `migrate` for the member. False when the migration is not active. */
  prepared(migration: Migration, media: MediaSessionParameters): Promise<boolean>;

  /**
   * Assigns the member to the new node and releases the old one; appends `participant_moved`. Publications that are not on the
   * new node end (`publication_removed`). Returns the migration; undefined when it was committed before, which is no error.
   * Throws MIGRATION_NOT_ACTIVE when it was rolled back or never prepared.
   */
  commit(roomId: string, participantId: string, migrationId: string): Promise<Migration | undefined>;

  /**
   * Releases the new node and restores publications that were republished there; appends `migration_rolled_back`. False when
   * the migration is not active.
   */
  rollBack(
    roomId: string,
    participantId: string,
    migrationId: string,
    end: Exclude<MigrationEnd, 'committed'>,
  ): Promise<boolean>;

  /**
   * Assigns a member to another node because its own was lost; appends `participant_moved` and `media_lost`, and writes the
   * migration to the history. Throws NOT_IN_ROOM, NO_CAPACITY, MIGRATION_NOT_ACTIVE when the node is alive, WRONG_STATE when the
   * member is not on `fromNode`, STALE_TERM as `begin`.
   */
  reassignLost(request: LostNodeRequest): Promise<Migration>;

  /** The active migration of a member. */
  of(roomId: string, participantId: string): Promise<Migration | undefined>;

  /** Active migrations, those whose deadline comes first, at most `limit`. Those that this version cannot read are left out. */
  running(limit: number): Promise<Migration[]>;
}
