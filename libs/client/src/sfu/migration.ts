import { FlotillaError, migrationLingerMs, type RoomEventPayload } from '@flotilla/contracts';
import type { Consumer } from 'mediasoup-client/types';
import { firstMedia } from './first-media.ts';
import { FrameGap } from './frame-gap.ts';
import type { MediaLink, RoomRequest } from './media-link.ts';

/** How long the new side may take to have a path, in milliseconds. */
const pathWithinMs = 5000;

/** And a picture: a lost key frame is asked for again after a second, and may be lost again. In milliseconds. */
const pictureWithinMs = 6000;

/** What a migration needs of the room. */
export interface MigrationHost {
  /** A link to the new node; its requests name the migration as long as `moving()` does. */
  openLink(media: RoomEventPayload<'migrate'>['media'], request: RoomRequest): MediaLink;
  readonly request: RoomRequest;
  /** Whether something is to be seen now, still by that producer, so that a picture must come before we change over. */
  shows(publicationId: string, producerId?: string): boolean;
  /** What was asked of subscriptions is asked of the new ones too. */
  applyWishes(request: RoomRequest, publicationIds: readonly string[]): Promise<void>;
  /** From now on plays what comes by the link. */
  use(link: MediaLink, consumers: ReadonlyMap<string, Consumer>): void;
  /** Sends what we publish by the link as well, behind the same publications. Returns what takes that back. */
  publishOn(link: MediaLink): Promise<() => void>;
  /** Says that it came to nothing: the room undid it, or the old side is lost. */
  readonly signal: AbortSignal;
}

/**
 * Moves to another SFU node while the old one goes on: connects the new side, waits for a picture of everything that is to be
 * seen, sends there, changes over, and says so. The former link is closed when the others had time to follow. Whatever fails,
 * the old side is as it was; rejects with what kept it from moving.
 */
export async function migrate(
  host: MigrationHost,
  { migrationId, media }: RoomEventPayload<'migrate'>,
  former: MediaLink,
): Promise<void> {
  const { signal } = host;
  let moving: string | undefined = migrationId;
  const request: RoomRequest = (type, payload) =>
    host.request(type, moving === undefined ? payload : ({ ...payload, migrationId: moving } as typeof payload));
  const link = host.openLink(media, request);
  // What is under way on the new side fails with it.
  signal.addEventListener('abort', () => link.close(), { once: true });
  let takeBack: (() => void) | undefined;
  let used = false;
  const began = performance.now();
  const gap = new FrameGap();
  try {
    const consumers = await link.receive(media.subscriptions);
    for (const [id, { track }] of consumers) {
      const old = former.consumer(id)?.track;
      if (old) gap.watch('old', id, old, () => host.shows(id));
      gap.watch('new', id, track, () => host.shows(id));
    }
    await host.applyWishes(request, [...consumers.keys()]);
    await Promise.all(
      [...consumers].map(async ([publicationId, consumer]) => {
        const { kind, producerId } = consumer;
        if (!host.shows(publicationId)) return;
        // Its owner may have moved meanwhile, too.
        const inPlaceOf = former.consumer(publicationId);
        if (
          !(await firstMedia(consumer, {
            signal,
            inPlaceOf,
            ...(kind === 'video' && { withinMs: pictureWithinMs }),
          })) &&
          kind === 'video' &&
          host.shows(publicationId, producerId)
        )
          throw new FlotillaError('NODE_UNAVAILABLE', `no picture of ${publicationId} came from ${link.nodeId}`);
      }),
    );
    await link.established(pathWithinMs);
    signal.throwIfAborted();
    takeBack = await host.publishOn(link);
    await link.established(pathWithinMs);
    signal.throwIfAborted();
    host.use(link, consumers);
    gap.change();
    used = true;
    await host.request('migrated', { migrationId });
    moving = undefined;
    setTimeout(() => former.close(), migrationLingerMs);
    void report(host, migrationId, performance.now() - began, gap);
  } catch (error) {
    gap.stop();
    takeBack?.();
    if (used) host.use(former, new Map());
    link.close();
    const reason = FlotillaError.from(error).message.slice(0, 256);
    await host.request('migration_failed', { migrationId, reason }).catch(() => undefined);
    throw error;
  }
}

/** Says what the move cost, for those who watch the fleet. Nobody waits for it, and an older server does not know it. */
async function report(host: MigrationHost, migrationId: string, ms: number, gap: FrameGap): Promise<void> {
  const gapMs = await gap.longest();
  await host
    .request('migration_report', { migrationId, ms: Math.round(ms), ...(gapMs !== undefined && { gapMs }) })
    .catch(() => undefined);
}
