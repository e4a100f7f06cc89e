import { FlotillaError } from '@flotilla/contracts';
import type { MediaLink } from './media-link.ts';

/** The links of a session to SFU nodes. */
export class SfuLinks {
  /** The link that media goes through; undefined while there is none. */
  current: MediaLink | undefined;
  /** During a migration: the link to the new node, until it becomes the current one. */
  next: MediaLink | undefined;
  /** After a migration: the link to the node that was left, until the other participants have changed over. */
  previous: MediaLink | undefined;

  /** The links that changes must be sent to. */
  get active(): MediaLink[] {
    return [this.current, this.next].filter((link): link is MediaLink => link !== undefined && !link.closed);
  }

  get required(): MediaLink {
    if (!this.current) throw new FlotillaError('MEDIA_NOT_OPEN', 'the media connection is being reopened');
    return this.current;
  }

  receiverOf(track: MediaStreamTrack): RTCRtpReceiver | undefined {
    return this.current?.receiverOf(track) ?? this.previous?.receiverOf(track);
  }

  /**
   * Handles errors of a request that was sent to several links: those of the current link are thrown, those of another are
   * dropped, as its state is compared when it becomes the current one.
   */
  unlessLeft(link: MediaLink): (error: unknown) => void {
    return (error) => {
      if (link === this.current) throw FlotillaError.from(error);
    };
  }

  /** Stops receiving a publication on every link. */
  drop(publicationId: string): void {
    for (const link of this.active) link.drop(publicationId);
  }

  close(): void {
    for (const link of [this.current, this.next, this.previous]) link?.close();
    this.current = undefined;
    this.next = undefined;
    this.previous = undefined;
  }
}
