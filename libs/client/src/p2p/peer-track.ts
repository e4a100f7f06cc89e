import type { MediaKind, PeerStream, Source } from '@flotilla/contracts';
import type { VideoCodec } from '../media/encodings.ts';

/** What a local publication sends through: a mediasoup Producer on an SFU node, or a PeerTrack. */
export interface Sending {
  readonly track: MediaStreamTrack | null;
  /** MIME type of the codec, where it is settled between the two ends. */
  readonly codec?: string | undefined;
  pause(): void;
  resume(): void;
  replaceTrack(options: { track: MediaStreamTrack }): Promise<void>;
  close(): void;
}

export interface PeerTrackOptions {
  readonly publicationId: string;
  readonly source: Source;
  readonly label?: string | undefined;
  readonly muted: boolean;
  readonly videoCodec?: VideoCodec | undefined;
}

/** Bits per second at most. One receiver gets one picture, so there are no layers. */
const maxBitrate: Partial<Record<Source, number>> = { camera: 1_700_000, screen: 2_500_000, other: 1_700_000 };

/** A track that is sent straight to the other participant, by whichever connection there is to them. */
export class PeerTrack implements Sending {
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

  /** As the other side is told; undefined while no description names it. */
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

  /** Is sent by this connection from its next description on. */
  sendBy(connection: RTCPeerConnection): void {
    const { source, videoCodec } = this.options;
    const most = maxBitrate[source];
    this.#transceiver = connection.addTransceiver(this.#track, {
      direction: 'sendonly',
      ...(most !== undefined && { sendEncodings: [{ maxBitrate: most }] }),
    });
    if (videoCodec && this.kind === 'video') preferCodec(this.#transceiver, `video/${videoCodec}`);
  }

  /** The connection it was sent by is closed: another may send it. */
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
  const isWanted = (codec: { mimeType: string }): boolean => codec.mimeType.toLowerCase() === mimeType;
  transceiver.setCodecPreferences([...codecs.filter(isWanted), ...codecs.filter((codec) => !isWanted(codec))]);
}
