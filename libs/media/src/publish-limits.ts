import { FlotillaError } from '@flotilla/contracts';
import type { Logger } from '@flotilla/runtime';
import type { MediaSession, MediaSessions } from './media-session.ts';
import type { PublishedStream } from './quality/transport-group.ts';

/** What a sender may exceed its limit by: the limit holds for the sum of what it sends, and on average. */
const tolerance = 1.5;
/**
 * A publication ends when a session was above its limit in this many measurements in a row, of which there are two a second: browsers follow
 * a lower limit within a few seconds.
 */
const maxMeasurementsAbove = 10;
/** How long a session may not publish after one of its publications was ended, ms. */
const blockedMs = 60_000;

export interface PublishLimitsOptions {
  /** Maximum bit rate of a session on this node, bit/s. */
  readonly ofNode: number;
  /** Ends a publication with the reason `bitrate_exceeded`. */
  readonly end: (session: MediaSession, publicationId: string) => Promise<void>;
  readonly log: Logger;
}

/**
 * Keeps what each session of a room publishes below its maximum bit rate: the lowest of those of the node, the room and its token. RTCP
 * carries the limit to senders, and browsers obey. Of a session that does not, the publication with the highest bit rate is ended.
 */
export class PublishLimits {
  /** Number of measurements in a row in which a session was above its limit. */
  readonly #above = new WeakMap<MediaSession, number>();
  /** When sessions may publish again, by id, ms of `performance.now()`. */
  readonly #blockedUntil = new Map<string, number>();

  constructor(
    private readonly sessions: MediaSessions,
    private readonly options: PublishLimitsOptions,
  ) {}

  /** The maximum bit rate of a session, bit/s. */
  of({ maxPublishBitrate: ofToken = Infinity, maxPublishBitrateOfRoom: ofRoom = Infinity }: MediaSession): number {
    return Math.min(this.options.ofNode, ofRoom, ofToken);
  }

  /** Tells the sender of a session its limit. */
  apply(session: MediaSession): void {
    session.media.limitPublishing(this.of(session)).catch((error: unknown) => {
      if (!session.media.closed)
        this.options.log.warn({ err: error, sessionId: session.media.id }, 'maximum bit rate not set');
    });
  }

  /** Throws RATE_LIMITED for some time after a publication of the session was ended. */
  requireAllowed(sessionId: string): void {
    const until = this.#blockedUntil.get(sessionId) ?? 0;
    if (performance.now() < until)
      throw new FlotillaError(
        'RATE_LIMITED',
        `the session sent more than its maximum bit rate and may publish again in ${Math.ceil((until - performance.now()) / 1000)} s`,
      );
  }

  /** Takes a measurement of all that a session publishes. */
  onMeasured(sessionId: string, streams: readonly PublishedStream[]): void {
    const session = this.sessions.get(sessionId);
    if (!session) return;
    const bitsPerSecond = streams.reduce((sum, each) => sum + each.bitsPerSecond, 0);
    const limit = this.of(session);
    const above = bitsPerSecond > tolerance * limit ? (this.#above.get(session) ?? 0) + 1 : 0;
    this.#above.set(session, above % maxMeasurementsAbove);
    if (above < maxMeasurementsAbove) return;
    const { publicationId } = streams.reduce((most, each) => (each.bitsPerSecond > most.bitsPerSecond ? each : most));
    this.#block(sessionId);
    const { log, end } = this.options;
    log.warn({ sessionId, publicationId, bitsPerSecond, limit }, 'publication ended: above the maximum bit rate');
    end(session, publicationId).catch((error: unknown) =>
      log.warn({ err: error, sessionId, publicationId }, 'ended publication not removed from the room'),
    );
  }

  #block(sessionId: string): void {
    const now = performance.now();
    for (const [id, until] of this.#blockedUntil) if (until <= now) this.#blockedUntil.delete(id);
    this.#blockedUntil.set(sessionId, now + blockedMs);
  }
}
