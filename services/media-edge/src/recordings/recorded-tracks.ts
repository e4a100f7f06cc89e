import type { Publication, Subscription } from '@flotilla/contracts';
import type { RecordedCodec, Recorder, TrackFeed } from '@flotilla/recorder';
import type { SenderReport } from '@flotilla/rtp';
import { RecordingError, type RecordingErrorCode } from './recording-error.ts';

/** Codecs that an edge peer receives and the recorder writes. */
const recordedTypes: ReadonlySet<string> = new Set(['audio/opus', 'video/vp8', 'video/h264']);

export interface RecordedTracksOptions {
  /** Maximum number of tracks, including those that have ended. */
  readonly maxTracks: number;
  /** A publication of the room. */
  readonly publication: (publicationId: string) => Publication | undefined;
  readonly requestKeyFrame: (ssrc: number) => void;
  /** Called once for each publication that is left out. */
  readonly onLeftOut: (error: RecordingError) => void;
  /** The files of a track could not be closed. */
  readonly onFailed: (cause: unknown) => void;
}

/**
 * Passes the publications of a room to a recorder: each is one track, from its first packet to its end, whatever replaces its
 * producer, and whichever node it comes from.
 */
export class RecordedTracks {
  /** The last subscription of each publication. */
  readonly #subscriptions = new Map<string, Subscription>();
  /** Tracks that are being recorded, by publication. */
  readonly #open = new Map<string, { readonly feed: TrackFeed; readonly codec: RecordedCodec }>();
  readonly #leftOut = new Map<string, RecordingErrorCode>();
  #recorder: Recorder | undefined;

  constructor(private readonly options: RecordedTracksOptions) {}

  /** Packets are recorded from now on. */
  begin(recorder: Recorder): void {
    this.#recorder = recorder;
  }

  /** Publications that are not recorded, and why. */
  get leftOut(): ReadonlyMap<string, RecordingErrorCode> {
    return this.#leftOut;
  }

  /** @param mimeType of the codec: a publication whose codec was replaced is another track. */
  isOpen(publicationId: string, mimeType: string): boolean {
    return this.#open.get(publicationId)?.codec.mimeType === mimeType;
  }

  subscribed(subscription: Subscription): void {
    const { publicationId } = subscription;
    const { mimeType, payloadType } = codecOf(subscription);
    const before = this.#open.get(publicationId)?.codec;
    // A file has one codec, and the recorder skips other payload types.
    if (before && (before.mimeType !== mimeType || before.payloadType !== payloadType)) this.ended(publicationId);
    this.#subscriptions.set(publicationId, subscription);
    // Its codec was replaced.
    if (this.#leftOut.get(publicationId) === 'CODEC_UNSUPPORTED') this.#leftOut.delete(publicationId);
  }

  packet(publicationId: string, packet: Buffer): void {
    const track = this.#open.get(publicationId) ?? this.#begin(publicationId);
    track?.feed.packet(packet);
  }

  senderReport(publicationId: string, report: SenderReport): void {
    this.#open.get(publicationId)?.feed.senderReport(report);
  }

  /** No more packets of this SSRC come. */
  streamEnded(publicationId: string, ssrc: number): void {
    this.#open.get(publicationId)?.feed.streamEnded(ssrc);
  }

  /** The recording has ended: keeps only what was left out. */
  close(): void {
    this.#recorder = undefined;
    this.#subscriptions.clear();
    this.#open.clear();
  }

  /** The publication has ended: its files are closed. */
  ended(publicationId: string): void {
    this.#subscriptions.delete(publicationId);
    this.#leftOut.delete(publicationId);
    if (this.#open.delete(publicationId)) this.#recorder?.endTrack(publicationId).catch(this.options.onFailed);
  }

  /** Ends the tracks of publications that ended while the recording was not in the room. */
  retain(publications: ReadonlyMap<string, Publication>): void {
    for (const id of new Set([...this.#subscriptions.keys(), ...this.#open.keys(), ...this.#leftOut.keys()]))
      if (!publications.has(id)) this.ended(id);
  }

  /** Leaves out publications with a codec that is not recorded, which have no packets. */
  checkCodecs(publications: Iterable<Publication>): void {
    for (const { id, codec } of publications) {
      const code = this.#leftOut.get(id);
      const isRecorded = recordedTypes.has(codec.toLowerCase());
      // The codec was replaced, or the event of that came after the subscription.
      if (isRecorded && code === 'CODEC_UNSUPPORTED') this.#leftOut.delete(id);
      if (!isRecorded && (code === undefined || code === 'SUBSCRIPTION_FAILED'))
        this.#leaveOut(
          id,
          new RecordingError(
            'CODEC_UNSUPPORTED',
            `publication ${id} is ${codec}, which is not recorded. Publish VP8, H.264 or Opus.`,
          ),
        );
    }
  }

  /** Leaves out publications for as long as they cannot be subscribed to. @param failed the last error of each. */
  checkSubscriptions(failed: ReadonlyMap<string, Error>): void {
    for (const [id, code] of this.#leftOut)
      if (code === 'SUBSCRIPTION_FAILED' && !failed.has(id)) this.#leftOut.delete(id);
    for (const [id, { message }] of failed)
      if (!this.#leftOut.has(id))
        this.#leaveOut(
          id,
          new RecordingError(
            'SUBSCRIPTION_FAILED',
            `publication ${id} is not received, and is tried again: ${message}`,
          ),
        );
  }

  #begin(publicationId: string): { readonly feed: TrackFeed } | undefined {
    const [recorder, subscription] = [this.#recorder, this.#subscriptions.get(publicationId)];
    const publication = this.options.publication(publicationId);
    if (!recorder || recorder.hasEnded || !subscription || !publication) return undefined;
    if (this.#leftOut.get(publicationId) === 'TOO_MANY_TRACKS') return undefined;
    const { maxTracks, requestKeyFrame } = this.options;
    const { tracks } = recorder.manifest;
    if (tracks.length >= maxTracks && !tracks.some((track) => track.publicationId === publicationId)) {
      const reason = `the recording has ${maxTracks} tracks, its maximum: ${publicationId} is left out`;
      this.#leaveOut(
        publicationId,
        new RecordingError('TOO_MANY_TRACKS', `${reason}. Raise FLOTILLA_EDGE_RECORDING_TRACKS.`),
      );
      return undefined;
    }
    const { participantId, kind } = publication;
    const codec = codecOf(subscription);
    if (!recordedTypes.has(codec.mimeType.toLowerCase())) return undefined;
    const track = {
      codec,
      feed: recorder.record({ publicationId, participantId, kind, codec, requestKeyFrame }),
    };
    this.#open.set(publicationId, track);
    // It was, until now.
    this.#leftOut.delete(publicationId);
    return track;
  }

  #leaveOut(publicationId: string, error: RecordingError): void {
    this.#leftOut.set(publicationId, error.code);
    this.options.onLeftOut(error);
  }
}

/** The codec of a subscription. The first one is that of the media. */
function codecOf({ rtpParameters }: Subscription): RecordedCodec {
  const { mimeType, clockRate, payloadType, channels } = rtpParameters.codecs[0]!;
  return { mimeType, clockRate, payloadType, ...(channels !== undefined && { channels }) };
}
