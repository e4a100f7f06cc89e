import { FlotillaError } from '@flotilla/contracts';
import { EdgePeer, type ForwardedTrack } from '@flotilla/edge-peer';
import type { Logger } from '@flotilla/runtime';
import { BackOff } from './back-off.ts';
import { finalCodes } from './final-codes.ts';
import { IngestError } from './ingest-error.ts';

export interface RoomLinkOptions {
  /** URL of a signaling gateway. */
  readonly url: string;
  readonly room: string;
  /** Display name of the participant. */
  readonly name: string;
  readonly token: () => Promise<string>;
  readonly log: Logger;
  readonly onChange: (problem: IngestError | undefined) => void;
}

/** An ingest's participant: joins, publishes the tracks, and joins again when the session is lost. */
export class RoomLink {
  readonly #backOff = new BackOff();
  readonly #tracks = new Map<ForwardedTrack, Promise<string | undefined>>();
  #peer: EdgePeer | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(private readonly options: RoomLinkOptions) {
    void this.#join();
  }

  get participantId(): string | undefined {
    return this.#peer?.participantId;
  }

  get nodeId(): string | undefined {
    return this.#peer?.nodeId;
  }

  get isJoined(): boolean {
    return this.#peer !== undefined;
  }

  async #join(): Promise<void> {
    const { url, room, name, token, log } = this.options;
    try {
      const peer: EdgePeer = await EdgePeer.join({
        url,
        room,
        name,
        token,
        subscribe: false,
        handlers: {
          onMoved: (move) => log.info({ ...move }, 'ingest moved to another SFU node'),
          onProblem: (problem) => log.warn({ problem }, 'problem of the ingest in the room'),
          onMediaFailed: (error) => this.#lost(peer, error),
          onClosed: (error) => this.#lost(peer, error),
        },
      });
      if (this.#closed) return peer.close();
      this.#peer = peer;
      for (const track of this.#tracks.keys()) this.#publish(track);
      this.#backOff.reset();
      this.options.onChange(undefined);
    } catch (error) {
      this.#failed(error);
    }
  }

  #lost(peer: EdgePeer, error: FlotillaError): void {
    if (this.#peer !== peer || this.#closed) return;
    this.#peer = undefined;
    peer.close();
    this.#failed(error);
  }

  #failed(cause: unknown): void {
    if (this.#closed) return;
    const { code, message } = FlotillaError.from(cause);
    const isFinal = finalCodes.has(code);
    this.options.log.warn({ code, reason: message }, 'ingest not in the room');
    this.options.onChange(
      isFinal
        ? new IngestError('REMOVED', `${code}: ${message}`, { cause })
        : new IngestError('FLEET_UNAVAILABLE', `${code}: ${message}`, { cause }),
    );
    if (!isFinal) this.#timer = setTimeout(() => void this.#join(), this.#backOff.next());
  }

  /** Publishes a track, now and in each later session. */
  add(track: ForwardedTrack): void {
    this.#tracks.set(track, Promise.resolve(undefined));
    if (this.#peer) this.#publish(track);
  }

  #publish(track: ForwardedTrack): void {
    const peer = this.#peer!;
    const published = peer.publish(track).catch((error: unknown) => {
      this.#lost(peer, FlotillaError.from(error));
      return undefined;
    });
    this.#tracks.set(track, published);
  }

  /** Ends the publication of a track. */
  remove(track: ForwardedTrack): void {
    const [peer, published] = [this.#peer, this.#tracks.get(track)];
    this.#tracks.delete(track);
    // A session that ends meanwhile ends the publication as well.
    void published?.then((id) => (id === undefined ? undefined : peer?.unpublish(id))).catch(() => undefined);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#peer?.close();
    this.#peer = undefined;
  }
}
