import { randomInt } from 'node:crypto';
import {
  type IceServer,
  type MediaKind,
  type MediaSessionParameters,
  type Publication,
  type ReplyPayload,
  type RequestPayload,
  type RequestType,
  type RtpParameters,
  type Subscription,
} from '@flotilla/contracts';
import { notYet, waitFor } from '@flotilla/testkit/signal';
import { History } from './history.ts';
import { levelExtensionId, OpusSource } from './opus.ts';
import { pacer, type Source } from './pacer.ts';
import { Reception } from './reception.ts';
import { maxReportBlocks, pictureLossOf, readRtcp, receiverReportOf } from './rtcp.ts';
import { isRtcp, isRtp, ssrcOf } from './rtp.ts';
import { LightTransport } from './transport.ts';
import { type Vp8Options, Vp8Source } from './vp8.ts';

/** Sends a request about the room of a link. */
export type RoomRequest = <T extends RequestType>(type: T, payload: RequestPayload<T>) => Promise<ReplyPayload<T>>;

const reportIntervalMs = 1000;
const firstMediaTimeoutMs = 3000;
const payloadTypes = { audio: 111, video: 96 } as const;

export interface PublishOptions {
  /** An own publication whose producer is replaced. Default: a new one. */
  readonly publicationId?: string;
  readonly video?: Vp8Options;
}

interface Stream {
  readonly publicationId: string;
  readonly kind: MediaKind;
  readonly producerId: string;
  readonly reception: Reception;
}

type MediaSource = Source & { readonly stream: { readonly ssrc: number }; requestKeyFrame(): void };

interface Sent {
  readonly source: MediaSource;
  readonly history: History;
  readonly send: (packet: Buffer) => void;
  stop: () => void;
}

/** The media of a peer on one SFU node: a send and a receive transport, and their streams. */
export class LightLink {
  readonly nodeId: string;
  #recv: LightTransport | undefined;
  #send: Promise<LightTransport> | undefined;
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
    /** Called for each RTP packet of a publication. */
    private readonly onPacket: (publicationId: string, now: number) => void,
    /** TURN servers that media goes through. Without any, it goes directly. */
    private readonly relays: readonly IceServer[] | undefined,
  ) {
    this.nodeId = media.nodeId;
  }

  /** Connects the receive transport and resumes the initial subscriptions. */
  static async open(
    media: MediaSessionParameters,
    request: RoomRequest,
    onPacket: (publicationId: string, now: number) => void,
    relays?: readonly IceServer[],
  ): Promise<LightLink> {
    const link = new LightLink(media, request, onPacket, relays);
    try {
      for (const subscription of media.subscriptions) link.#add(subscription);
      link.#recv = await LightTransport.open({
        parameters: media.recv,
        direction: 'recv',
        connect: (dtlsParameters) => request('connect_transport', { transportId: media.recv.id, dtlsParameters }),
        onPacket: (packet) => link.#onReceived(packet),
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

  /** Id of the producer that a publication is received from. */
  producerOf(publicationId: string): string | undefined {
    return this.#streamsOf(publicationId).at(-1)?.[1].producerId;
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

  #add({ publicationId, producerId, kind, rtpParameters }: Subscription): void {
    const ssrc = rtpParameters.encodings![0]!.ssrc!;
    if (this.#streams.has(ssrc)) return;
    // A replaced producer: the stream of the last one is kept until the new one arrives, older ones are dropped.
    for (const [old] of this.#streamsOf(publicationId).slice(0, -1)) this.#streams.delete(old);
    const { clockRate } = rtpParameters.codecs[0]!;
    this.#streams.set(ssrc, { publicationId, kind, producerId, reception: new Reception(ssrc, clockRate) });
  }

  async #resume(subscriptions: readonly Subscription[]): Promise<void> {
    const publicationIds = subscriptions.filter(({ paused }) => paused).map(({ publicationId }) => publicationId);
    if (publicationIds.length > 0) await this.request('update_subscriptions', { publicationIds, paused: false });
  }

  /** Drops the streams of a publication. */
  forget(publicationId: string): void {
    for (const [ssrc] of this.#streamsOf(publicationId)) this.#streams.delete(ssrc);
  }

  #onReceived(packet: Buffer): void {
    const now = performance.now();
    if (isRtp(packet)) {
      // Unknown SSRCs carry padding of bandwidth probes.
      const stream = this.#streams.get(ssrcOf(packet));
      if (!stream) return;
      stream.reception.add(packet, now);
      this.onPacket(stream.publicationId, now);
    } else if (isRtcp(packet)) {
      for (const message of readRtcp(packet))
        if (message.type === 'sender report')
          this.#streams.get(message.ssrc)?.reception.onSenderReport(message.middleOfNtp, now);
    }
  }

  #report(): void {
    const now = performance.now();
    const blocks = [...this.#streams.values()].flatMap(({ reception }) => reception.reportBlock(now) ?? []);
    for (let from = 0; from < blocks.length; from += maxReportBlocks)
      this.#recv?.send(receiverReportOf(this.#ownSsrc, blocks.slice(from, from + maxReportBlocks)));
    // Repeats the key frame request until video arrives: the key frame or the first request may be lost.
    for (const [ssrc, { kind, reception }] of this.#streams)
      if (kind === 'video' && reception.packets === 0) this.#requestKeyFrame(ssrc);
  }

  #requestKeyFrame(ssrc: number): void {
    this.#recv?.send(pictureLossOf(this.#ownSsrc, ssrc));
  }

  /** Requests a key frame of each received video. */
  requestKeyFrames(): void {
    for (const [ssrc, { kind }] of this.#streams) if (kind === 'video') this.#requestKeyFrame(ssrc);
  }

  /** Waits for a packet of each publication that `expected` returns by then. Rejects after 3 s. */
  async firstMedia(expected: () => readonly string[]): Promise<void> {
    await waitFor(
      `media from ${this.nodeId}`,
      () => {
        const missing = expected().find((id) => this.packetsOf(id) === 0);
        if (missing !== undefined) notYet(`no packet of ${missing}`);
        if (this.#closed) notYet('the link is closed');
      },
      { timeoutMs: firstMediaTimeoutMs, everyMs: 10 },
    );
  }

  // Sending.

  /** RTP packets sent, without retransmissions. */
  packetsSent = 0;

  /** Publishes a stream, or replaces the producer of an own publication. */
  async publish(kind: MediaKind, { publicationId, video }: PublishOptions = {}): Promise<Publication> {
    this.#send ??= LightTransport.open({
      parameters: this.media.send,
      direction: 'send',
      connect: (dtlsParameters) =>
        this.request('connect_transport', { transportId: this.media.send.id, dtlsParameters }),
      onPacket: (packet) => void this.#onFeedback(packet),
      relays: this.relays,
    });
    const transport = await this.#send;
    const source = newSource(kind, video);
    const { publication } = await this.request('publish', {
      kind,
      source: kind === 'audio' ? 'microphone' : 'camera',
      rtpParameters: rtpParametersOf(kind, source.stream.ssrc),
      ...(publicationId !== undefined && { publicationId }),
    });
    const history = new History();
    const send = (packet: Buffer): void => {
      this.packetsSent++;
      history.add(packet);
      transport.send(packet);
    };
    this.#sent.set(source.stream.ssrc, { source, history, send, stop: pacer.start(source, send) });
    // The link may have been closed during the request.
    if (this.#closed) this.#stop();
    return publication;
  }

  /** Stops sending until `resume`. */
  pause(): void {
    for (const { stop } of this.#sent.values()) stop();
  }

  /** Continues sending, with consecutive sequence numbers. */
  resume(): void {
    for (const sent of this.#sent.values()) sent.stop = pacer.start(sent.source, sent.send);
  }

  /** Handles RTCP feedback for the sent streams. */
  async #onFeedback(packet: Buffer): Promise<void> {
    if (!isRtcp(packet)) return;
    const transport = await this.#send;
    for (const message of readRtcp(packet)) {
      const sent = this.#sent.get(message.ssrc);
      if (message.type === 'key frame request') sent?.source.requestKeyFrame();
      if (message.type !== 'nack') continue;
      for (const sequence of message.sequences) {
        const lost = sent?.history.find(sequence);
        if (lost) transport?.send(lost);
      }
    }
  }

  #stop(): void {
    for (const stop of this.#stops.splice(0)) stop();
    this.pause();
    this.#recv?.close();
    void this.#send?.then(
      (transport) => transport.close(),
      () => undefined,
    );
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stop();
  }
}

const newSsrc = (): number => randomInt(1, 0x1_00_00_00_00);

function newSource(kind: MediaKind, video: Vp8Options | undefined): MediaSource {
  const stream = {
    ssrc: newSsrc(),
    payloadType: payloadTypes[kind],
    // Below 2^15, so that it does not wrap early (RFC 3711, section 3.3.1).
    sequence: randomInt(1, 0x80_00),
    timestamp: randomInt(0x1_00_00_00_00),
  };
  return kind === 'audio' ? new OpusSource(stream) : new Vp8Source(stream, video);
}

function rtpParametersOf(kind: MediaKind, ssrc: number): RtpParameters {
  const payloadType = payloadTypes[kind];
  const common = { encodings: [{ ssrc }], rtcp: { cname: `light-${ssrc}`, reducedSize: true } };
  if (kind === 'audio')
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
