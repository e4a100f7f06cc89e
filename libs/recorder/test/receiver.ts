import { once } from 'node:events';
import { createSocket, type Socket } from 'node:dgram';
import { readRtcp, RtpPacket, timestampDistance } from '@flotilla/rtp';
import type { TrackFeed } from '../src/index.ts';

/** The RTP and RTCP ports of one stream, which pass on what arrives to the feed of a recording, as a subscriber of an SFU would. */
export class Receiver {
  /** Share of the packets that is lost. */
  loss = 0;
  readonly #packet = new RtpPacket();
  /** The random numbers of the loss are the same in each run. */
  #random = 1;
  #mute: { readonly ticks: number; fromTimestamp?: number } | undefined;
  #onUnmuted: () => void = () => undefined;
  /** Packets that were not sent, so that sequence numbers continue. */
  #skipped = 0;
  lost = 0;

  private constructor(
    private readonly rtp: Socket,
    private readonly rtcp: Socket,
    private readonly feed: TrackFeed,
    private readonly clockRate: number,
    private readonly startsKeyFrame: (packet: RtpPacket) => boolean,
  ) {
    rtp.on('message', (bytes) => this.#onPacket(bytes));
    rtcp.on('message', (bytes) => {
      for (const message of readRtcp(bytes)) if (message.type === 'sender report') feed.senderReport(message);
    });
  }

  static async open(
    feed: TrackFeed,
    clockRate: number,
    startsKeyFrame: (packet: RtpPacket) => boolean,
  ): Promise<Receiver> {
    const sockets = await Promise.all(
      [0, 1].map(async () => {
        const socket = createSocket({ type: 'udp4', recvBufferSize: 2 ** 20 });
        socket.bind(0, '127.0.0.1');
        await once(socket, 'listening');
        return socket;
      }),
    );
    return new Receiver(sockets[0]!, sockets[1]!, feed, clockRate, startsKeyFrame);
  }

  get ports(): { rtpPort: number; rtcpPort: number } {
    return { rtpPort: this.rtp.address().port, rtcpPort: this.rtcp.address().port };
  }

  /**
   * Resolves when `ms` of the stream have been left out, and its next key frame has arrived. As behind an SFU, sequence numbers
   * continue then.
   */
  mute(ms: number): Promise<void> {
    this.#mute = { ticks: (ms * this.clockRate) / 1000 };
    return new Promise((resolve) => (this.#onUnmuted = resolve));
  }

  close(): void {
    this.rtp.close();
    this.rtcp.close();
  }

  #isMuted(): boolean {
    const mute = this.#mute;
    if (!mute) return false;
    mute.fromTimestamp ??= this.#packet.timestamp;
    if (timestampDistance(mute.fromTimestamp, this.#packet.timestamp) < mute.ticks) return true;
    if (!this.startsKeyFrame(this.#packet)) return true;
    this.#mute = undefined;
    this.#onUnmuted();
    return false;
  }

  #onPacket(bytes: Buffer): void {
    if (!this.#packet.parse(bytes)) return;
    if (this.#isMuted()) {
      this.#skipped++;
      return;
    }
    this.#random = (Math.imul(this.#random, 1_664_525) + 1_013_904_223) >>> 0;
    if (this.#random / 2 ** 32 < this.loss) {
      this.lost++;
      return;
    }
    bytes.writeUInt16BE((this.#packet.sequenceNumber - this.#skipped) & 0xff_ff, 2);
    this.feed.packet(bytes);
  }
}

/** RFC 7741: the first packet of a key frame. The lowest bit of the frame tag is 0. */
export function startsVp8KeyFrame({ bytes, payloadStart }: RtpPacket): boolean {
  const first = bytes[payloadStart]!;
  if (!(first & 0x10)) return false;
  let at = payloadStart + 1;
  if (first & 0x80) {
    const fields = bytes[at++]!;
    if (fields & 0x80) at += bytes[at]! & 0x80 ? 2 : 1;
    if (fields & 0x40) at++;
    if (fields & 0x30) at++;
  }
  return (bytes[at]! & 1) === 0;
}

/** RFC 6184: a packet that starts with a sequence parameter set. */
export function startsH264KeyFrame({ bytes, payloadStart }: RtpPacket): boolean {
  const [sps, stapA] = [7, 24];
  const type = bytes[payloadStart]! & 31;
  return (type === stapA ? bytes[payloadStart + 3]! & 31 : type) === sps;
}
