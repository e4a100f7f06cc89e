import type { MediaKind, PeerStream, Source } from '@flotilla/contracts';
import type { VideoCodec } from '../media/encodings.ts';
import type { Sender } from '../room/local-publication.ts';

export interface PeerTrackOptions {
  readonly publicationId: string;
  readonly source: Source;
  readonly label?: string | undefined;
  readonly muted: boolean;
  readonly videoCodec?: VideoCodec | undefined;
}

/** Maximum bit rates in bits per second. There is one receiver, so there are no layers. */
const maxBitrate: Partial<Record<Source, number>> = { camera: 1_700_000, screen: 2_500_000, other: 1_700_000 };

/** A track that is sent directly to the other participant. It outlives the connections that carry it. */
export class PeerTrack implements Sender {
  readonly kind: MediaKind;
  #track: MediaStreamTrack;
  #muted = false;
  #transceiver: RTCRtpTransceiver | undefined;

  constructor(
    track: MediaStreamTrack,
    private readonly options: PeerTrackOptions,
  ) {
    this.#track = track;
    this.kind = track.kind as MediaKind;
    if (options.muted) this.pause();
  }

  get publicationId(): string {
    return this.options.publicationId;
  }

  get track(): MediaStreamTrack {
    return this.#track;
  }

  get codec(): string | undefined {
    return this.#transceiver?.sender.getParameters().codecs[0]?.mimeType;
  }

  /** What is sent to the other side about it; undefined before the first description. */
  get announced(): PeerStream | undefined {
    const mid = this.#transceiver?.mid ?? null;
    if (mid === null) return undefined;
    const { publicationId, source, label } = this.options;
    return { mid, publicationId, kind: this.kind, source, muted: this.#muted, ...(label !== undefined && { label }) };
  }

  pause(): void {
    this.#muted = true;
    this.#track.enabled = false;
  }

  resume(): void {
    this.#muted = false;
    this.#track.enabled = true;
  }

  async replaceTrack({ track }: { track: MediaStreamTrack }): Promise<void> {
    await this.#transceiver?.sender.replaceTrack(track);
    this.#track = track;
    track.enabled = !this.#muted;
  }

  /** Adds the track to a connection; sent from its next description on. */
  addTo(connection: RTCPeerConnection): void {
    const { source, videoCodec } = this.options;
    const bitrate = maxBitrate[source];
    this.#transceiver = connection.addTransceiver(this.#track, {
      direction: 'sendonly',
      ...(bitrate !== undefined && { sendEncodings: [{ maxBitrate: bitrate }] }),
    });
    if (videoCodec && this.kind === 'video') preferCodec(this.#transceiver, `video/${videoCodec}`);
  }

  /** The connection that carried it was closed. */
  detach(): void {
    this.#transceiver = undefined;
  }

  close(): void {
    this.#transceiver?.stop();
    this.#transceiver = undefined;
  }
}

function preferCodec(transceiver: RTCRtpTransceiver, mimeType: string): void {
  const codecs = RTCRtpReceiver.getCapabilities('video')?.codecs ?? [];
  const isPreferred = (codec: { mimeType: string }): boolean => codec.mimeType.toLowerCase() === mimeType;
  transceiver.setCodecPreferences([...codecs.filter(isPreferred), ...codecs.filter((codec) => !isPreferred(codec))]);
}
