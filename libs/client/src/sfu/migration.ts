import { FlotillaError, migrationLingerMs, migrationTimeoutMs, type RoomEventPayload } from '@flotilla/contracts';
import type { Consumer } from 'mediasoup-client/types';
import type { RoomState } from '../room/room-state.ts';
import type { BandwidthLimits } from './bandwidth-limits.ts';
import { firstMedia } from './first-media.ts';
import { FrameGap } from './frame-gap.ts';
import type { SfuLinks } from './links.ts';
import type { MediaLink, RoomRequest } from './media-link.ts';
import type { SfuPublisher } from './publisher.ts';
import type { Subscriptions } from './subscriptions.ts';

/** Time for the new link to have a network path, in milliseconds. */
const pathWithinMs = 5000;
/** Time for a video to arrive: a lost key frame is requested again after a second, and may be lost again. In milliseconds. */
const firstFrameWithinMs = 6000;
/** How long the commit is repeated while its answer is missing: longer than a session can be resumed. In milliseconds. */
const commitWithinMs = 60_000;
/** Answers to the commit after which it was certainly not carried out. */
const refusals: ReadonlySet<string> = new Set(['MIGRATION_NOT_ACTIVE', 'NOT_IN_ROOM', 'FORBIDDEN', 'BAD_PAYLOAD']);

export interface MigrationParts {
  readonly state: RoomState;
  readonly links: SfuLinks;
  readonly publisher: SfuPublisher;
  readonly subscriptions: Subscriptions;
  readonly limits: BandwidthLimits;
  openLink(media: RoomEventPayload<'migrate'>['media'], request: RoomRequest): MediaLink;
}

/**
 * Moves the session's media to another SFU node, make-before-break: connects the new link, waits for media on it, publishes
 * there, changes over and commits with `migrated`.
 *
 * Before the commit, a failure leaves the previous link as it was. Once `migrated` was sent the server may have committed, so
 * the new link is kept unless the server reports that the migration was rolled back.
 */
export class Migration {
  readonly id: string;
  readonly #event: RoomEventPayload<'migrate'>;
  readonly #parts: MigrationParts;
  readonly #abort = new AbortController();
  /** The server announced the commit, so the answer to `migrated` no longer matters. */
  readonly #confirmed = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<void>();
  #isConfirmed = false;
  #isCommitted = false;

  constructor(event: RoomEventPayload<'migrate'>, parts: MigrationParts) {
    this.id = event.migrationId;
    this.#event = event;
    this.#parts = parts;
  }

  /** Aborts the migration, unless it is committed. */
  abort(code: 'MIGRATION_NOT_ACTIVE' | 'MEDIA_NOT_OPEN'): void {
    if (!this.#isConfirmed) this.#abort.abort(new FlotillaError(code));
  }

  /** The server committed this migration. */
  committed(): void {
    this.#isConfirmed = true;
    this.#confirmed.resolve();
  }

  /** Resolves when the migration is over, either way. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** @throws FlotillaError why the session stays on the previous link. */
  async run(previous: MediaLink): Promise<void> {
    try {
      await this.#run(previous);
    } finally {
      this.#ended.resolve();
    }
  }

  async #run(previous: MediaLink): Promise<void> {
    const { links } = this.#parts;
    const { signal } = this.#abort;
    const startedAt = performance.now();
    const link = this.#parts.openLink(this.#event.media, this.#requestOnNewLink());
    links.next = link;
    // Requests in flight on the new link fail with it.
    signal.addEventListener('abort', () => link.close(), { once: true });
    const gap = new FrameGap();
    let rollback: (() => void) | undefined;
    let isCommitting = false;
    try {
      const consumers = await this.#receive(link, previous, gap);
      await link.established(pathWithinMs);
      signal.throwIfAborted();
      rollback = this.#rememberSenders(previous);
      await this.#parts.publisher.publishAllOn(link);
      await link.established(pathWithinMs);
      // What was published while the path was awaited.
      await this.#parts.publisher.publishAllOn(link);
      signal.throwIfAborted();
      this.#use(link, previous, consumers);
      gap.change();
      isCommitting = true;
      await this.#commit();
    } catch (thrown) {
      // An abort closes the link, so that what is in flight fails with errors of its own.
      const error: unknown = signal.aborted ? signal.reason : thrown;
      gap.stop();
      rollback?.();
      if (isCommitting) this.#use(previous, undefined, new Map());
      links.next = undefined;
      link.close();
      void this.#parts.publisher.compareMuted(previous).catch(() => undefined);
      if (!isCommitting) this.#reportFailure(FlotillaError.from(error));
      throw error;
    }
    this.#isCommitted = true;
    setTimeout(() => previous.close(), migrationLingerMs);
    // A track that was replaced when the others were published.
    void this.#parts.publisher.publishAllOn(link).catch(() => undefined);
    void this.#parts.publisher.compareMuted(link).catch(() => undefined);
    void this.#reportGap(performance.now() - startedAt, gap);
  }

  /** Requests on the new link name the migration until it is committed. */
  #requestOnNewLink(): RoomRequest {
    const { state } = this.#parts;
    const { signal } = this.#abort;
    return (type, payload) => {
      const send = () =>
        state.request(type, this.#isCommitted ? payload : ({ ...payload, migrationId: this.id } as typeof payload));
      // The same producer cannot be created twice: publishing is repeated with another one.
      return type === 'publish' ? send() : state.repeat(send, migrationTimeoutMs, { signal });
    };
  }

  /** Receives everything on the new link, and waits until what is visible has media there. */
  async #receive(link: MediaLink, previous: MediaLink, gap: FrameGap): Promise<ReadonlyMap<string, Consumer>> {
    const { state, subscriptions, limits } = this.#parts;
    const { signal } = this.#abort;
    const isVisible = (id: string): boolean => state.findPublication(id)?.isVisible ?? false;
    const wanted = this.#event.media.subscriptions;
    const consumers = await link.receive(wanted);
    if (link.cannotReceive) throw new FlotillaError('MEDIA_UNSUPPORTED', 'the browser refused a publication');
    for (const [id, { track }] of consumers) {
      const previousTrack = previous.consumer(id)?.track;
      if (previousTrack) gap.watch('old', id, previousTrack, () => isVisible(id));
      gap.watch('new', id, track, () => isVisible(id));
    }
    await subscriptions.start(link, wanted);
    await Promise.all(
      [...consumers].map(async ([id, consumer]) => {
        if (!isVisible(id)) return;
        const isVideo = consumer.kind === 'video';
        // The new node may have paused it, too.
        const isLimited = (): boolean => limits.has(link.recvTransportId, id);
        const hasMedia = await firstMedia(consumer, {
          signal,
          // Its publisher may have been migrated meanwhile, too.
          previous: previous.consumer(id),
          isNeeded: () => !isLimited(),
          ...(isVideo && { timeoutMs: firstFrameWithinMs }),
        });
        const isNeeded =
          isVideo &&
          !consumer.closed &&
          isVisible(id) &&
          !isLimited() &&
          state.findPublication(id)?.announced.producerId === consumer.producerId;
        if (!hasMedia && isNeeded)
          throw new FlotillaError('NODE_UNAVAILABLE', `no frame of ${id} arrived from ${link.nodeId}`);
      }),
    );
    return consumers;
  }

  #use(link: MediaLink, previous: MediaLink | undefined, consumers: ReadonlyMap<string, Consumer>): void {
    const { state, links } = this.#parts;
    links.current = link;
    links.previous = previous;
    links.next = undefined;
    for (const publication of state.remotePublications()) {
      const received = consumers.get(publication.id);
      // Ended meanwhile, and maybe received again.
      const consumer = received?.closed ? link.consumer(publication.id) : (received ?? link.consumer(publication.id));
      if (consumer && publication.subscribed) state.setTrack(publication, consumer.track);
    }
  }

  /** Returns a function that makes local publications send through what they send through now. */
  #rememberSenders(previous: MediaLink): () => void {
    const { localPublications } = this.#parts.state;
    const remembered = [...localPublications.values()].map((publication) => ({
      publication,
      sender: publication.sender,
      announced: publication.announced,
    }));
    const known = new Set(remembered.map(({ publication }) => publication));
    return () => {
      // Published since then, on both links.
      for (const publication of localPublications.values())
        if (!known.has(publication)) publication.sender = previous.producer(publication.id) ?? publication.sender;
      for (const { publication, sender, announced } of remembered) {
        if (publication.unpublished || publication.sender === sender) continue;
        const { track, muted } = publication;
        publication.sender = sender;
        publication.announced = { ...announced, muted };
        // Changed while the new side was used.
        if (track && sender.track !== track) void sender.replaceTrack({ track }).catch(() => undefined);
        if (muted) sender.pause();
        else sender.resume();
      }
    };
  }

  /** @throws FlotillaError when the migration was rolled back. An answer that never arrives counts as committed. */
  async #commit(): Promise<void> {
    const { state } = this.#parts;
    const { signal } = this.#abort;
    const rolledBack = Promise.withResolvers<never>();
    const reject = (): void => rolledBack.reject(signal.reason);
    signal.addEventListener('abort', reject, { once: true });
    const mayRepeat = ({ code }: FlotillaError): boolean => !refusals.has(code);
    const request = (): Promise<object> => state.request('migrated', { migrationId: this.id });
    const answered = state.repeat(request, commitWithinMs, { signal, mayRepeat }).catch((error: unknown) => {
      const failure = FlotillaError.from(error);
      if (refusals.has(failure.code) && !this.#isConfirmed) throw failure;
    });
    try {
      await Promise.race([answered, this.#confirmed.promise, rolledBack.promise]);
    } finally {
      signal.removeEventListener('abort', reject);
    }
  }

  #reportFailure(failure: FlotillaError): void {
    const { state } = this.#parts;
    const payload = { migrationId: this.id, reason: failure.message.slice(0, 256) };
    // The server rolls back by itself when the report does not arrive in time.
    const send = (): Promise<object> => state.request('migration_failed', payload);
    state.repeat(send, migrationTimeoutMs).catch(() => undefined);
  }

  /** Reports the cost of the migration for the fleet's statistics. */
  async #reportGap(ms: number, gap: FrameGap): Promise<void> {
    const { state } = this.#parts;
    const gapMs = await gap.longest();
    if (!state.isOpen) return;
    await state
      .request('migration_report', { migrationId: this.id, ms: Math.round(ms), ...(gapMs !== undefined && { gapMs }) })
      .catch(() => undefined);
  }
}
