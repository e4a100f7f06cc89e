import { randomInt } from 'node:crypto';
import type { MediaKind, RtpParameters, Source } from '@flotilla/contracts';
import { ArrivalClock } from './arrival-clock.ts';
import { headerBytes } from './rtp.ts';
import { Timeline } from './timeline.ts';
import type { OutgoingTrack, StartedTrack, TrackSender } from './track.ts';

/** A packet of the source. Packets have to be in the order of their sequence numbers. */
export interface SourcePacket {
  readonly ssrc: number;
  readonly sequence: number;
  readonly timestamp: number;
  readonly marker: boolean;
  /** What is sent for it, in this order and with its timestamp: a packet for each payload. The last one gets its marker bit. */
  readonly payloads: readonly Buffer[];
}

export interface ForwardedTrackOptions {
  readonly kind: MediaKind;
  readonly source: Source;
  readonly label?: string | undefined;
  /** The codec, without RTCP feedback, which is added. */
  readonly codec: RtpParameters['codecs'][number];
  /** The same for all tracks of one source, so that they are played together. */
  readonly cname: string;
  readonly onKeyFrameRequest?: () => void;
}

const videoFeedback = [
  // Retransmission in the original stream, without RTX (RFC 4588).
  { type: 'nack', parameter: '' },
  { type: 'nack', parameter: 'pli' },
  { type: 'ccm', parameter: 'fir' },
];

interface Target {
  readonly sender: TrackSender;
  /** Sequence number of the stream less that of the timeline. */
  readonly offset: number;
}

/** A track whose RTP packets come from outside, from a source that may be replaced: it stays one continuous stream. */
export class ForwardedTrack implements OutgoingTrack {
  readonly kind: MediaKind;
  readonly source: Source;
  readonly label?: string;
  readonly #timeline: Timeline;
  readonly #clock: ArrivalClock;
  readonly #targets = new Set<Target>();
  #sequence = 0;

  constructor(private readonly options: ForwardedTrackOptions) {
    this.kind = options.kind;
    this.source = options.source;
    if (options.label !== undefined) this.label = options.label;
    this.#timeline = new Timeline(options.codec.clockRate);
    this.#clock = new ArrivalClock(options.codec.clockRate);
  }

  rtpParameters(ssrc: number): RtpParameters {
    const { kind, codec, cname } = this.options;
    return {
      codecs: [{ ...codec, rtcpFeedback: kind === 'video' ? videoFeedback : [] }],
      encodings: [{ ssrc }],
      rtcp: { cname, reducedSize: true },
    };
  }

  start(sender: TrackSender): StartedTrack {
    // Below 2^15, so that it does not wrap early (RFC 3711, section 3.3.1).
    const target = { sender, offset: randomInt(1, 0x80_00) - this.#sequence };
    this.#targets.add(target);
    return {
      requestKeyFrame: () => this.options.onKeyFrameRequest?.(),
      rtpTimeAt: (now) => this.#clock.rtpTimeAt(now),
      stop: () => this.#targets.delete(target),
    };
  }

  /** Sends a packet to all transports that the track is published on. */
  write(packet: SourcePacket, now = performance.now()): void {
    const { payloads, marker } = packet;
    if (payloads.length === 0) return;
    const { sequence, timestamp, restarted } = this.#timeline.place(packet, payloads.length - 1, now);
    this.#clock.add(timestamp, now, restarted);
    this.#sequence = sequence + payloads.length;
    for (const [index, payload] of payloads.entries()) {
      const isLast = index === payloads.length - 1;
      for (const { sender, offset } of this.#targets) {
        const out = Buffer.allocUnsafe(headerBytes + payload.length);
        out[0] = 0x80;
        out[1] = (marker && isLast ? 0x80 : 0) | this.options.codec.payloadType;
        out.writeUInt16BE((sequence + index + offset) & 0xff_ff, 2);
        out.writeUInt32BE(timestamp, 4);
        out.writeUInt32BE(sender.ssrc, 8);
        payload.copy(out, headerBytes);
        sender.send(out);
      }
    }
  }
}
