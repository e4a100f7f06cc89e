import { randomInt } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type {
  IceServer,
  MediaKind,
  MediaSessionParameters,
  Publication,
  ReplyPayload,
  RequestPayload,
  RequestType,
  Subscription,
} from '@flotilla/contracts';
import { maxReportBlocks, pictureLoss, readRtcp, receiverReport, type SenderReport, senderReport } from '@flotilla/rtp';
import { History } from './history.ts';
import { Reception } from './reception.ts';
import { headerBytes, isRtcp, isRtp, ssrcOf } from './rtp.ts';
import type { OutgoingTrack, StartedTrack } from './track.ts';
import { PeerTransport } from './transport.ts';

/** Sends a request about the room of a link. */
export type RoomRequest = <T extends RequestType>(type: T, payload: RequestPayload<T>) => Promise<ReplyPayload<T>>;

const reportIntervalMs = 1000;
const firstMediaTimeoutMs = 3000;
const firstMediaCheckMs = 10;

export interface LinkHandlers {
  /** A subscription, before its first packet. */
  onSubscribed?(subscription: Subscription): void;
  /** An RTP packet of a subscription. `now`: time of `performance.now()`. */
  onPacket?(publicationId: string, packet: Buffer, now: number): void;
  /** A sender report of a subscription. */
  onSenderReport?(publicationId: string, report: SenderReport): void;
  /** No more packets of this stream are passed on. */
  onStreamEnded?(publicationId: string, ssrc: number): void;
  /** A connected transport has lost its network path for good. */
  onLost?(): void;
}

interface Stream {
  readonly publicationId: string;
  readonly kind: MediaKind;
  readonly producerId: string;
  readonly reception: Reception;
  /** The SFU sends no packets of it yet. */
  isPaused: boolean;
}

interface Sent {
  readonly publicationId: string;
  readonly started: StartedTrack;
  readonly history: History;
  packets: number;
  payloadBytes: number;
}

/** The media of a peer on one SFU node: a send and a receive transport, and their streams. */
export class EdgeLink {
  readonly nodeId: string;
  #recv: PeerTransport | undefined;
  #send: Promise<PeerTransport> | undefined;
  #sendTransport: PeerTransport | undefined;
  /** Received streams, by SSRC. */
  readonly #streams = new Map<number, Stream>();
  /** Sent streams, by SSRC. */
  readonly #sent = new Map<number, Sent>();
  readonly #stops: (() => void)[] = [];
  readonly #ownSsrc = newSsrc();
  #closed = false;

  private constructor(
    private readonly media: MediaSessionParameters,
    /** Sends a request to the node of this link, also before the migration to it is committed. */
    readonly request: RoomRequest,
    private readonly handlers: LinkHandlers,
    /** TURN servers that media goes through. Without any, it goes directly. */
    private readonly relays: readonly IceServer[] | undefined,
  ) {
    this.nodeId = media.nodeId;
  }

  /** Connects the receive transport and resumes the initial subscriptions. */
  static async open(
    media: MediaSessionParameters,
    request: RoomRequest,
    handlers: LinkHandlers = {},
    relays?: readonly IceServer[],
  ): Promise<EdgeLink> {
    const link = new EdgeLink(media, request, handlers, relays);
    try {
      for (const subscription of media.subscriptions) link.#add(subscription);
      link.#recv = await PeerTransport.open({
        parameters: media.recv,
        direction: 'recv',
        connect: (dtlsParameters) => request('connect_transport', { transportId: media.recv.id, dtlsParameters }),
        onPacket: (packet) => link.#onReceived(packet),
        onLost: () => link.#onLost(),
        relays,
      });
      const reports = setInterval(() => link.#report(), reportIntervalMs);
      link.#stops.push(() => clearInterval(reports));
      await link.#resume(media.subscriptions);
      return link;
    } catch (error) {
      link.close();
      throw error;
    }
  }

  get closed(): boolean {
    return this.#closed;
  }

  // Receiving.

  /** Id of the producer that a publication is received from. Undefined while its subscription is paused. */
  producerOf(publicationId: string): string | undefined {
    const stream = this.#streamsOf(publicationId).at(-1)?.[1];
    return stream?.isPaused ? undefined : stream?.producerId;
  }

  /** Packets received of a publication by this link. */
  packetsOf(publicationId: string): number {
    return this.#streamsOf(publicationId).reduce((sum, [, { reception }]) => sum + reception.packets, 0);
  }

  #streamsOf(publicationId: string): [ssrc: number, stream: Stream][] {
    return [...this.#streams].filter(([, stream]) => stream.publicationId === publicationId);
  }

  /** Adds subscriptions and resumes them. */
  async receive(subscriptions: readonly Subscription[]): Promise<void> {
    for (const subscription of subscriptions) this.#add(subscription);
    await this.#resume(subscriptions);
  }

  #add(subscription: Subscription): void {
    const { publicationId, producerId, kind, rtpParameters, paused: isPaused } = subscription;
    const ssrc = rtpParameters.encodings![0]!.ssrc!;
    if (this.#streams.has(ssrc)) return;
    // A replaced producer: the stream of the last one is kept until the new one arrives, older ones are dropped.
    for (const [old] of this.#streamsOf(publicationId).slice(0, -1)) this.#endStream(old);
    const { clockRate } = rtpParameters.codecs[0]!;
    this.#streams.set(ssrc, { publicationId, kind, producerId, reception: new Reception(ssrc, clockRate), isPaused });
    this.handlers.onSubscribed?.(subscription);
  }

  async #resume(subscriptions: readonly Subscription[]): Promise<void> {
    const publicationIds = subscriptions.filter(({ paused }) => paused).map(({ publicationId }) => publicationId);
    if (publicationIds.length > 0) await this.request('update_subscriptions', { publicationIds, paused: false });
    for (const { rtpParameters } of subscriptions) {
      const stream = this.#streams.get(rtpParameters.encodings![0]!.ssrc!);
      if (stream) stream.isPaused = false;
    }
  }

  /** Drops the streams of a publication. */
  forget(publicationId: string): void {
    for (const [ssrc] of this.#streamsOf(publicationId)) this.#endStream(ssrc);
  }

  #endStream(ssrc: number): void {
    const stream = this.#streams.get(ssrc);
    if (this.#streams.delete(ssrc)) this.handlers.onStreamEnded?.(stream!.publicationId, ssrc);
  }

  #onReceived(packet: Buffer): void {
    const now = performance.now();
    if (isRtp(packet)) {
      // Unknown SSRCs carry padding of bandwidth probes.
      const stream = this.#streams.get(ssrcOf(packet));
      if (!stream) return;
      stream.reception.add(packet, now);
      this.handlers.onPacket?.(stream.publicationId, packet, now);
    } else if (isRtcp(packet)) {
      for (const message of readRtcp(packet)) {
        if (message.type !== 'sender report') continue;
        const stream = this.#streams.get(message.ssrc);
        if (!stream) continue;
        stream.reception.onSenderReport(message.middleOfNtp, now);
        this.handlers.onSenderReport?.(stream.publicationId, message);
      }
    }
  }

  #report(): void {
    const now = performance.now();
    const blocks = [...this.#streams.values()].flatMap(({ reception }) => reception.reportBlock(now) ?? []);
    for (let from = 0; from < blocks.length; from += maxReportBlocks)
      this.#recv?.send(receiverReport(this.#ownSsrc, blocks.slice(from, from + maxReportBlocks)));
    // Repeats the key frame request until video arrives: the key frame or the first request may be lost.
    for (const [ssrc, { kind, reception }] of this.#streams)
      if (kind === 'video' && reception.packets === 0) this.#requestKeyFrame(ssrc);
    this.#reportSent(now);
  }

  /** Sends sender reports, by which receivers play audio and video of one source together (RFC 3550, section 6.4.1). */
  #reportSent(now: number): void {
    for (const [ssrc, { started, packets, payloadBytes }] of this.#sent) {
      const rtpTimestamp = started.rtpTimeAt?.(now);
      if (rtpTimestamp === undefined) continue;
      const report = { ssrc, unixMs: Date.now(), rtpTimestamp, packets, octets: payloadBytes };
      this.#sendTransport?.send(senderReport(report));
    }
  }

  #requestKeyFrame(ssrc: number): void {
    this.#recv?.send(pictureLoss(this.#ownSsrc, ssrc));
  }

  /** Requests a key frame of each received video. */
  requestKeyFrames(): void {
    for (const ssrc of this.#streams.keys()) this.requestKeyFrame(ssrc);
  }

  /** Requests a key frame of one received video. No-op for other SSRCs. */
  requestKeyFrame(ssrc: number): void {
    if (this.#streams.get(ssrc)?.kind === 'video') this.#requestKeyFrame(ssrc);
  }

  /** Waits for a packet of each publication that `expected` returns by then. Rejects after 3 s. */
  async firstMedia(expected: () => readonly string[]): Promise<void> {
    const deadline = performance.now() + firstMediaTimeoutMs;
    for (;;) {
      const missing = expected().find((id) => this.packetsOf(id) === 0);
      if (missing === undefined && !this.#closed) return;
      if (this.#closed || performance.now() >= deadline)
        throw new Error(
          this.#closed ? 'the link is closed' : `no packet of ${missing} within ${firstMediaTimeoutMs} ms`,
        );
      await pause(firstMediaCheckMs);
    }
  }

  // Sending.

  /** RTP packets sent, without retransmissions. */
  packetsSent = 0;

  /**
   * Publishes a track.
   *
   * @param publicationId an own publication whose producer is replaced. Default: a new one.
   */
  async publish(track: OutgoingTrack, publicationId?: string): Promise<Publication> {
    this.#send ??= PeerTransport.open({
      parameters: this.media.send,
      direction: 'send',
      connect: (dtlsParameters) =>
        this.request('connect_transport', { transportId: this.media.send.id, dtlsParameters }),
      onPacket: (packet) => this.#onFeedback(packet),
      onLost: () => this.#onLost(),
      relays: this.relays,
    });
    const transport = await this.#send;
    this.#sendTransport = transport;
    const ssrc = newSsrc();
    const { kind, source, label } = track;
    const { publication } = await this.request('publish', {
      kind,
      source,
      ...(label !== undefined && { label }),
      rtpParameters: track.rtpParameters(ssrc),
      ...(publicationId !== undefined && { publicationId }),
    });
    // The link may have been closed during the request.
    if (this.#closed) return publication;
    if (publicationId !== undefined) this.unpublish(publicationId);
    const history = new History();
    const counts = { packets: 0, payloadBytes: 0 };
    const send = (packet: Buffer): void => {
      this.packetsSent++;
      counts.packets++;
      counts.payloadBytes += packet.length - headerBytes;
      history.add(packet);
      transport.send(packet);
    };
    const started = track.start({ ssrc, send });
    this.#sent.set(ssrc, Object.assign(counts, { publicationId: publication.id, started, history }));
    return publication;
  }

  /** Stops sending an own publication. */
  unpublish(publicationId: string): void {
    for (const [ssrc, sent] of this.#sent) {
      if (sent.publicationId !== publicationId) continue;
      sent.started.stop();
      this.#sent.delete(ssrc);
    }
  }

  /** Handles RTCP feedback for the sent streams. */
  #onFeedback(packet: Buffer): void {
    if (!isRtcp(packet)) return;
    for (const message of readRtcp(packet)) {
      const sent = this.#sent.get(message.ssrc);
      if (message.type === 'picture loss' || message.type === 'full intra request') sent?.started.requestKeyFrame();
      if (message.type !== 'nack') continue;
      for (const sequence of message.sequences) {
        const lost = sent?.history.find(sequence);
        if (lost) this.#sendTransport?.send(lost);
      }
    }
  }

  #onLost(): void {
    if (!this.#closed) this.handlers.onLost?.();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const stop of this.#stops.splice(0)) stop();
    for (const { started } of this.#sent.values()) started.stop();
    this.#sent.clear();
    this.#recv?.close();
    for (const ssrc of [...this.#streams.keys()]) this.#endStream(ssrc);
    void this.#send?.then(
      (transport) => transport.close(),
      () => undefined,
    );
  }
}

const newSsrc = (): number => randomInt(1, 0x1_00_00_00_00);
