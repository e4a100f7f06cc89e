import { firstIssue, FlotillaError, Label, newId, type Publication, type RemovalReason } from '@flotilla/contracts';
import type { VideoCodec } from '../media/encodings.ts';
import type { PeerCall } from '../p2p/peer-call.ts';
import type { Announcement } from '../sfu/media-link.ts';
import type { SfuMedia } from '../sfu/sfu-media.ts';
import { isUnanswered } from '../signaling/repeat.ts';
import { LatestValue } from './latest-value.ts';
import { LocalPublication, type LocalPublicationActions, type Sender } from './local-publication.ts';
import type { PublishOptions } from './options.ts';
import { noProducer, type RoomState } from './room-state.ts';

/** How long a change is repeated until the room confirms it: longer than a lost session can be resumed. In milliseconds. */
const deliverWithinMs = 120_000;
/** Errors after which a change is repeated: lost replies, and media that is being reopened. */
const mayDeliverLater = (error: FlotillaError): boolean =>
  isUnanswered(error) || error.code === 'MEDIA_NOT_OPEN' || error.code === 'NODE_UNAVAILABLE';

/** Publishes local tracks, and keeps the room in line with their state. */
export class LocalPublications implements LocalPublicationActions {
  readonly #state: RoomState;
  readonly #sfu: SfuMedia;
  readonly #directCall: () => PeerCall | undefined;
  readonly #muted = new WeakMap<LocalPublication, LatestValue<boolean>>();
  /** Publications of a session that ended, until they are published in a new one. */
  readonly #ofEndedSession = new Set<LocalPublication>();

  constructor(state: RoomState, sfu: SfuMedia, directCall: () => PeerCall | undefined) {
    this.#state = state;
    this.#sfu = sfu;
    this.#directCall = directCall;
    state.changes.on('grantsChanged', () => {
      if (!this.#mayPublish) this.#endAll();
    });
  }

  /** The grant `publish` was lost: the room has removed all publications. */
  #endAll(): void {
    const { localPublications } = this.#state;
    for (const publication of [...localPublications.values(), ...this.#ofEndedSession]) end(publication);
    localPublications.clear();
    this.#ofEndedSession.clear();
  }

  endedByServer(publicationId: string, reason: RemovalReason): void {
    const publication = this.#state.localPublications.get(publicationId);
    if (!publication) return;
    this.#state.localPublications.delete(publicationId);
    end(publication);
    this.#state.emit('publicationEnded', publication, reason);
  }

  get #mayPublish(): boolean {
    return this.#state.me.grants.includes('publish');
  }

  async publish(track: MediaStreamTrack, options: PublishOptions): Promise<LocalPublication> {
    const { source = track.kind === 'video' ? 'camera' : 'microphone', muted = false, videoCodec } = options;
    const label = cleanedLabel(options.label);
    this.#state.assertOpen();
    const publicationId = newId('publication');
    const direct = this.#state.mediaMode === 'peer' ? this.#directCall() : undefined;
    let publication: LocalPublication;
    if (direct) {
      const kind = track.kind as Publication['kind'];
      const announced: Publication = {
        id: publicationId,
        participantId: this.#state.me.id,
        kind,
        source,
        ...(label !== undefined && { label }),
        codec: kind === 'audio' ? 'audio/opus' : `video/${(videoCodec ?? 'vp8').toUpperCase()}`,
        muted,
        producerId: noProducer,
      };
      const sender = direct.publish(track, { publicationId, source, label, muted, videoCodec });
      publication = new LocalPublication(announced, sender, videoCodec, this);
    } else {
      const published = await this.#publishToSfu({ publicationId, source, label, muted }, track, videoCodec);
      if (muted) published.producer.pause();
      publication = new LocalPublication(published.publication, published.producer, videoCodec, this);
    }
    // The grant may have been lost while the reply was awaited: the room has removed the publication then.
    if (!this.#mayPublish) {
      end(publication);
      throw new FlotillaError('FORBIDDEN', 'the grant "publish" was lost while the track was published');
    }
    this.#state.localPublications.set(publication.id, publication);
    return publication;
  }

  async #publishToSfu(
    announcement: Announcement,
    track: MediaStreamTrack,
    videoCodec: VideoCodec | undefined,
  ): ReturnType<SfuMedia['publisher']['publish']> {
    try {
      return await this.#sfu.publisher.publish(announcement, track, videoCodec, () => this.#sfu.opened());
    } catch (error) {
      // The server may have published it all the same.
      if (isUnanswered(error)) void this.#deliverUnpublished(announcement.publicationId).catch(() => undefined);
      throw error;
    }
  }

  /** Takes effect locally at once. Without a signaling connection, the room is updated after the reconnect. */
  async setMuted(publication: LocalPublication, muted: boolean): Promise<void> {
    if (publication.unpublished) return;
    publication.announced = { ...publication.announced, muted };
    if (muted) publication.sender.pause();
    else publication.sender.resume();
    if (this.#state.mediaMode === 'peer') return this.#directCall()?.sendStreams();
    let latest = this.#muted.get(publication);
    if (!latest) this.#muted.set(publication, (latest = new LatestValue(() => this.#deliverMuted(publication))));
    return this.#unlessReconnecting(latest.set(muted));
  }

  /** Sends the muted state as it is at each attempt. */
  async #deliverMuted(publication: LocalPublication): Promise<void> {
    const send = async (): Promise<void> => {
      if (!publication.unpublished) await this.#sfu.publisher.sendMuted(publication);
    };
    await this.#state.repeat(send, deliverWithinMs, { mayRepeat: mayDeliverLater });
  }

  /** A track that had ended when the session was migrated was not published on the new node, so it is now. */
  async replaceTrack(publication: LocalPublication, track: MediaStreamTrack): Promise<void> {
    let replaced: Sender | undefined;
    // A migration changes the sender meanwhile.
    while (replaced !== publication.sender) {
      replaced = publication.sender;
      await replaced.replaceTrack({ track });
    }
    const { links, publisher, isReopening } = this.#sfu;
    const { id, unpublished } = publication;
    if (this.#state.mediaMode !== 'sfu' || unpublished || isReopening || !this.#state.localPublications.has(id)) return;
    const link = links.current;
    if (link && !link.closed && !link.producer(id)) await publisher.publishOn(link, publication);
  }

  async unpublish(publication: LocalPublication): Promise<void> {
    if (publication.unpublished) return;
    publication.unpublished = true;
    const { id } = publication;
    this.#state.localPublications.delete(id);
    this.#directCall()?.unpublish(id);
    publication.sender.close();
    if (this.#state.mediaMode === 'peer') return;
    return this.#unlessReconnecting(this.#deliverUnpublished(id));
  }

  async #deliverUnpublished(publicationId: string): Promise<void> {
    await this.#state
      .repeat(() => this.#sfu.publisher.sendUnpublished(publicationId), deliverWithinMs, { mayRepeat: mayDeliverLater })
      .catch((error: unknown) => {
        // An earlier attempt was carried out, or the session that published it ended.
        if (FlotillaError.from(error).code !== 'PUBLICATION_NOT_FOUND') throw error;
      });
  }

  /** Without a signaling connection, a change is delivered in the background. */
  #unlessReconnecting(delivered: Promise<void>): Promise<void> {
    if (this.#state.connection !== 'reconnecting') return delivered;
    delivered.catch(() => undefined);
    return Promise.resolve();
  }

  /** Publishes everything on reopened media, under the same ids. */
  async republishAll(): Promise<void> {
    await Promise.all([...this.#state.localPublications.values()].map((each) => this.#republish(each, each.id)));
  }

  /** The session ended, and its publications with it. `republishInNewSession` publishes them again. */
  sessionEnded(): void {
    const { localPublications } = this.#state;
    for (const publication of localPublications.values()) this.#ofEndedSession.add(publication);
    localPublications.clear();
  }

  /** Publishes in a room that was joined with a new session, under new ids. What fails is kept for the next session. */
  async republishInNewSession(): Promise<void> {
    await Promise.all(
      [...this.#ofEndedSession].map(async (publication) => {
        await this.#republish(publication, newId('publication'));
        this.#ofEndedSession.delete(publication);
      }),
    );
  }

  async #republish(publication: LocalPublication, publicationId: string): Promise<void> {
    const { track } = publication;
    const { localPublications, mediaMode } = this.#state;
    if (publication.unpublished) return;
    // A session that was opened with another token may have other grants.
    if (!this.#mayPublish) {
      localPublications.delete(publication.id);
      return end(publication);
    }
    if (!track || track.readyState === 'ended') {
      publication.unpublished = true;
      if (localPublications.delete(publication.id)) await this.#deliverUnpublished(publication.id);
      return;
    }
    const direct = mediaMode === 'peer' ? this.#directCall() : undefined;
    if (direct) {
      const { source, label, muted } = publication.announced;
      const { videoCodec } = publication;
      publication.announced = { ...publication.announced, id: publicationId, participantId: this.#state.me.id };
      publication.sender = direct.publish(track, { publicationId, source, label, muted, videoCodec });
    } else {
      const { publisher, links } = this.#sfu;
      await publisher.publishOn(links.required, publication, publicationId).catch((error: unknown) => {
        // Another participant's publication has that id.
        if (FlotillaError.from(error).code !== 'PUBLICATION_NOT_FOUND') throw error;
        localPublications.delete(publicationId);
        return publisher.publishOn(links.required, publication, newId('publication'));
      });
    }
    // It may have been unpublished meanwhile.
    if (!publication.unpublished) localPublications.set(publication.id, publication);
  }
}

/**
 * A label as the room will have it. A direct call announces it with its session description, which would be refused with a wrong one.
 *
 * @throws FlotillaError BAD_PAYLOAD
 */
function cleanedLabel(label: string | undefined): string | undefined {
  const { data, error } = Label.optional().safeParse(label);
  if (error) throw new FlotillaError('BAD_PAYLOAD', `label: ${firstIssue(error)}`);
  return data;
}

/** The room has removed the publication, or will not have it. */
function end(publication: LocalPublication): void {
  publication.unpublished = true;
  publication.sender.close();
}
