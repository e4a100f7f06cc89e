import { randomInt } from 'node:crypto';
import type { MediaKind, RtpParameters, Source as PublicationSource } from '@flotilla/contracts';
import type { OutgoingTrack, StartedTrack, TrackSender } from '@flotilla/edge-peer';
import { levelExtensionId, OpusSource } from './opus.ts';
import { pacer, type Source } from './pacer.ts';
import { type Vp8Options, Vp8Source } from './vp8.ts';

const payloadTypes = { audio: 111, video: 96 } as const;

/** A synthetic stream, which each transport sends from its beginning. */
export class LightTrack implements OutgoingTrack {
  readonly #sources = new Map<Source, { readonly send: (packet: Buffer) => void; stop: () => void }>();

  constructor(
    readonly kind: MediaKind,
    private readonly video?: Vp8Options,
  ) {}

  get source(): PublicationSource {
    return this.kind === 'audio' ? 'microphone' : 'camera';
  }

  rtpParameters(ssrc: number): RtpParameters {
    const payloadType = payloadTypes[this.kind];
    const common = { encodings: [{ ssrc }], rtcp: { cname: `light-${ssrc}`, reducedSize: true } };
    if (this.kind === 'audio')
      return {
        ...common,
        codecs: [{ mimeType: 'audio/opus', payloadType, clockRate: 48_000, channels: 2, rtcpFeedback: [] }],
        headerExtensions: [{ uri: 'urn:ietf:params:rtp-hdrext:ssrc-audio-level', id: levelExtensionId }],
      };
    const rtcpFeedback = [
      // Retransmission in the original stream, without RTX (RFC 4588).
      { type: 'nack', parameter: '' },
      { type: 'nack', parameter: 'pli' },
      { type: 'ccm', parameter: 'fir' },
    ];
    return { ...common, codecs: [{ mimeType: 'video/VP8', payloadType, clockRate: 90_000, rtcpFeedback }] };
  }

  start(sender: TrackSender): StartedTrack {
    const { ssrc } = sender;
    const send = (packet: Buffer): void => sender.send(packet);
    const stream = {
      ssrc,
      payloadType: payloadTypes[this.kind],
      // Below 2^15, so that it does not wrap early (RFC 3711, section 3.3.1).
      sequence: randomInt(1, 0x80_00),
      timestamp: randomInt(0x1_00_00_00_00),
    };
    const source = this.kind === 'audio' ? new OpusSource(stream) : new Vp8Source(stream, this.video);
    this.#sources.set(source, { send, stop: pacer.start(source, send) });
    return {
      requestKeyFrame: () => source.requestKeyFrame(),
      stop: () => {
        this.#sources.get(source)?.stop();
        this.#sources.delete(source);
      },
    };
  }

  /** Stops sending until `resume`. */
  pause(): void {
    for (const { stop } of this.#sources.values()) stop();
  }

  /** Continues sending, with consecutive sequence numbers. */
  resume(): void {
    for (const [source, sent] of this.#sources) sent.stop = pacer.start(source, sent.send);
  }
}
