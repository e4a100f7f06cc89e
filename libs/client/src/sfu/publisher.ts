import { FlotillaError, type Publication } from '@flotilla/contracts';
import type { Producer } from 'mediasoup-client/types';
import { producerOptions, type VideoCodec } from '../media/encodings.ts';
import type { LocalPublication } from '../room/local-publication.ts';
import type { RoomState } from '../room/room-state.ts';
import { isUnanswered } from '../signaling/repeat.ts';
import type { SfuLinks } from './links.ts';
import type { Announcement, MediaLink } from './media-link.ts';

/** How long publishing is repeated while its reply is missing, in milliseconds. */
const publishWithinMs = 20_000;

/** Publishes local tracks through SFU nodes. */
export class SfuPublisher {
  readonly #state: RoomState;
  readonly #links: SfuLinks;

  constructor(state: RoomState, links: SfuLinks) {
    this.#state = state;
    this.#links = links;
  }

  /**
   * Publishes a track on the current link. Publishing again under the same id replaces the producer, so a lost reply is
   * repeated, and so is publishing on a link that was left meanwhile.
   */
  async publish(
    announcement: Announcement,
    track: MediaStreamTrack,
    videoCodec: VideoCodec | undefined,
    currentLink: () => Promise<MediaLink>,
  ): Promise<{ producer: Producer; publication: Publication }> {
    const options = { track, ...producerOptions(this.#state.device, track, announcement.source, videoCodec) };
    for (;;) {
      const { link, published } = await this.#state.repeat(async () => {
        const open = await currentLink();
        return { link: open, published: await open.publish(announcement, options) };
      }, publishWithinMs);
      this.#state.assertOpen();
      if (link === this.#links.current) return published;
    }
  }

  /** Puts a new producer on a link behind a local publication, and brings it in line with what changed meanwhile. */
  async publishOn(link: MediaLink, publication: LocalPublication, publicationId = publication.id): Promise<void> {
    const { track } = publication;
    if (!track || track.readyState === 'ended' || publication.unpublished) return;
    const { source, label, muted } = publication.announced;
    const options = producerOptions(this.#state.device, track, source, publication.videoCodec);
    const { producer, publication: announced } = await this.#state.repeat(
      () => link.publish({ publicationId, source, label, muted }, { track, ...options }),
      publishWithinMs,
      { mayRepeat: (error) => !link.closed && isUnanswered(error) },
    );
    if (publication.unpublished || !this.#state.isOpen) {
      await link.unpublish(publicationId).catch(() => undefined);
      return;
    }
    const latest = publication.track;
    if (latest && latest !== track) await producer.replaceTrack({ track: latest });
    if (publication.muted) producer.pause();
    publication.sender = producer;
    publication.announced = { ...announced, muted: publication.muted };
    if (publication.muted !== muted) await link.setMuted(publicationId, publication.muted);
  }

  /** Publishes everything that the link does not have yet. */
  async publishAllOn(link: MediaLink): Promise<void> {
    for (;;) {
      const missing = [...this.#state.localPublications.values()].filter(
        ({ id, track }) => !link.producer(id) && track?.readyState === 'live',
      );
      if (missing.length === 0) return;
      await Promise.all(missing.map((publication) => this.publishOn(link, publication)));
    }
  }

  /** Sends the muted state to every link that has the publication. */
  async sendMuted({ id, announced }: LocalPublication): Promise<void> {
    const { muted } = announced;
    // The node that was left still forwards to participants that have not changed over yet.
    if (muted) this.#links.previous?.producer(id)?.pause();
    await Promise.all(
      this.#links.active
        .filter((link) => link.producer(id))
        .map((link) => link.setMuted(id, muted).catch(this.#links.unlessLeft(link))),
    );
  }

  /** Sends the muted states that changed while the link was not the current one. */
  async compareMuted(link: MediaLink): Promise<void> {
    const changed = [...this.#state.localPublications.values()].filter(
      ({ id, muted }) => link.producer(id) && link.isMuted(id) !== muted,
    );
    await Promise.all(changed.map(({ id, muted }) => link.setMuted(id, muted)));
  }

  async sendUnpublished(publicationId: string): Promise<void> {
    this.#links.previous?.producer(publicationId)?.close();
    if (this.#links.active.length === 0) throw new FlotillaError('MEDIA_NOT_OPEN');
    // A link on which it is being published withdraws it when that is done.
    const links = this.#links.active.filter((link) => link === this.#links.current || link.producer(publicationId));
    await Promise.all(links.map((link) => link.unpublish(publicationId).catch(this.#links.unlessLeft(link))));
  }
}
