import { ForwardedTrack } from '@flotilla/edge-peer';
import { H264Stream } from './h264/h264-stream.ts';
import { IngestError } from './ingest-error.ts';
import type { RtpPacket } from './rtp/rtp-packet.ts';
import { clockRates, type Medium, type MediumKind } from './sources/source.ts';

/** Payload types to the SFU, which maps them to those of the fleet. */
const payloadTypes = { H264: 102, VP8: 96, opus: 111 } as const;

/** Largest payload of VP8 and Opus that is sent on, in bytes: no network carries a larger packet without fragments. H.264 is fragmented anew. */
const maxPayloadBytes = 1500;
/** Time with packets and without a key frame after which that is a problem, in milliseconds. */
const noKeyFrameMs = 10_000;

export interface TrackFeedOptions {
  readonly kind: MediumKind;
  readonly cname: string;
  readonly label: string;
  readonly onKeyFrameRequest: () => void;
  /** There is a track to publish. `previous` is the one that it replaces, because its codec or profile is another. */
  readonly onTrack: (track: ForwardedTrack, previous: ForwardedTrack | undefined) => void;
  readonly onProblem: (error: IngestError) => void;
}

/** Makes one continuous track of one kind from the packets of a source that may be restarted. */
export class TrackFeed {
  #medium: Medium | undefined;
  #h264: H264Stream | undefined;
  #track: ForwardedTrack | undefined;
  #published: string | undefined;
  #ssrc: number | undefined;
  #waitingSince: number | undefined;

  constructor(private readonly options: TrackFeedOptions) {}

  /** Whether it has a track: the codec of the source is known, and its first key frame has arrived. */
  get hasTrack(): boolean {
    return this.#track !== undefined;
  }

  /** The source begins, or begins again. */
  begin(medium: Medium): void {
    this.#medium = medium;
    this.#h264 = medium.codec === 'H264' ? new H264Stream(medium.parameterSets) : undefined;
    this.#waitingSince = undefined;
  }

  /** Throws IngestError PROFILE_UNSUPPORTED. */
  write(packet: RtpPacket, now: number): void {
    if (!this.#medium) return;
    if (packet.ssrc !== this.#ssrc) {
      this.#ssrc = packet.ssrc;
      this.#h264?.restart();
    }
    if (!this.#h264 && packet.payload.length > maxPayloadBytes) return;
    const payloads = this.#h264 ? this.#h264.payloadsFor(packet.payload, packet.timestamp) : [packet.payload];
    if (this.#h264?.waitsForKeyFrame) return this.#waitForKeyFrame(now);
    this.#waitingSince = undefined;
    if (payloads.length > 0) this.#trackFor(this.#medium).write({ ...packet, payloads }, now);
  }

  #waitForKeyFrame(now: number): void {
    this.#waitingSince ??= now;
    this.options.onKeyFrameRequest();
    if (now - this.#waitingSince < noKeyFrameMs) return;
    this.#waitingSince = now;
    const cure = 'Set a key frame interval of some seconds at the camera.';
    this.options.onProblem(
      new IngestError('NO_KEY_FRAME', `the source sent no key frame within ${noKeyFrameMs / 1000} s. ${cure}`),
    );
  }

  #trackFor({ codec, kind }: Medium): ForwardedTrack {
    const levelId = this.#h264 && this.#levelIdOf(this.#h264);
    const published = `${codec} ${levelId}`;
    if (this.#track && this.#published === published) return this.#track;
    const previous = this.#track;
    const { cname, label, onKeyFrameRequest, onTrack } = this.options;
    const parameters =
      levelId === undefined
        ? {}
        : { 'packetization-mode': 1, 'level-asymmetry-allowed': 1, 'profile-level-id': levelId };
    this.#published = published;
    this.#track = new ForwardedTrack({
      kind,
      source: kind === 'video' ? 'camera' : 'microphone',
      label,
      cname,
      codec: {
        mimeType: `${kind}/${codec}`,
        payloadType: payloadTypes[codec],
        clockRate: clockRates[codec],
        ...(kind === 'audio' && { channels: 2 }),
        parameters,
      },
      onKeyFrameRequest,
    });
    onTrack(this.#track, previous);
    return this.#track;
  }

  #levelIdOf({ profile }: H264Stream): string {
    if (profile && 'levelId' in profile) return profile.levelId;
    throw new IngestError(
      'PROFILE_UNSUPPORTED',
      `the H.264 of the source has profile ${profile?.refused}. Set it to Baseline or Main at the camera, or ${transcodingCure}`,
    );
  }
}

/** How to bring in what is not passed through. */
export const transcodingCure =
  'transcode it in front of the edge: `ffmpeg -i SOURCE -an -c:v libx264 -profile:v main -bf 0 -tune zerolatency -g 60 -f rtp rtp://EDGE:PORT`, with the port of an ingest of kind rtp';
