import { randomInt } from 'node:crypto';
import {
  type MediaKind,
  type MediaSessionParameters,
  type Publication,
  type ReplyPayload,
  type RequestPayload,
  type RequestType,
  type RtpParameters,
  type Subscription,
} from '@flotilla/contracts';
import { notYet, waitFor } from '@flotilla/testkit';
import { History } from './history.ts';
import { levelExtensionId, OpusSource } from './opus.ts';
import { pacer, type Source } from './pacer.ts';
import { Reception } from './reception.ts';
import { maxReportBlocks, pictureLossOf, readRtcp, receiverReportOf } from './rtcp.ts';
import { isRtcp, isRtp, ssrcOf } from './rtp.ts';
import { LightTransport } from './transport.ts';
import { type Vp8Options, Vp8Source } from './vp8.ts';

/** A request about the room the link is for. */
export type RoomRequest = <T extends RequestType>(type: T, payload: RequestPayload<T>) => Promise<ReplyPayload<T>>;

const reportEveryMs = 1000;
const firstMediaWithinMs = 3000;
const payloadTypes = { audio: 111, video: 96 } as const;

export interface PublishOptions {
  /** One of ours, to put the stream behind it. Default: a new one. */
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

/** The media of a peer on one SFU node: a transport each way, and the streams on them. */
export class LightLink {
  readonly nodeId: string;
  #recv: LightTransport | undefined;
  #send: Promise<LightTransport> | undefined;
  /** What is received, by SSRC. */
  readonly #streams = new Map<number, Stream>();
  /** What is sent, by SSRC. */
  readonly #sent = new Map<number, Sent>();
  readonly #stops: (() => void)[] = [];
  readonly #ownSsrc = newSsrc();
  #closed = false;

  private constructor(
    private readonly media: MediaSessionParameters,
    /** Asks the node of this link, also while the peer is being moved to it. */
    readonly request: RoomRequest,
    /** Called for each RTP packet of a publication. */
    private readonly onPacket: (publicationId: string, now: number) => void,
  ) {
    this.nodeId = media.nodeId;
  }

  /** Resolves when media of what the node sends already can come. */
  static async open(
    media: MediaSessionParameters,
    request: RoomRequest,
    onPacket: (publicationId: string, now: number) => void,
  ): Promise<LightLink> {
    const link = new LightLink(media, request, onPacket);
    try {
      for (const subscription of media.subscriptions) link.#add(subscription);
      link.#recv = await LightTransport.open({
        parameters: media.recv,
        direction: 'recv',
        connect: (dtlsParameters) => request('connect_transport', { transportId: media.recv.id, dtlsParameters }),
        onPacket: (packet) => link.#take(packet),
      });
      const reports = setInterval(() => link.#report(), reportEveryMs);
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

  /** The producer that a publication is received from. */
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

  /** Takes what the node was asked to send. */
  async receive(subscriptions: readonly Subscription[]): Promise<void> {
    for (const subscription of subscriptions) this.#add(subscription);
    await this.#resume(subscriptions);
  }

  #add({ publicationId, producerId, kind, rtpParameters }: Subscription): void {
    const ssrc = rtpParameters.encodings![0]!.ssrc!;
    if (this.#streams.has(ssrc)) return;
    // Another producer behind the publication: the former goes on until that one is there, and the one before it is over.
    for (const [over] of this.#streamsOf(publicationId).slice(0, -1)) this.#streams.delete(over);
    const { clockRate } = rtpParameters.codecs[0]!;
    this.#streams.set(ssrc, { publicationId, kind, producerId, reception: new Reception(ssrc, clockRate) });
  }

  async #resume(subscriptions: readonly Subscription[]): Promise<void> {
    const publicationIds = subscriptions.filter(({ paused }) => paused).map(({ publicationId }) => publicationId);
    if (publicationIds.length > 0) await this.request('update_subscriptions', { publicationIds, paused: false });
  }

  forget(publicationId: string): void {
    for (const [ssrc] of this.#streamsOf(publicationId)) this.#streams.delete(ssrc);
  }

  #take(packet: Buffer): void {
    const now = performance.now();
    if (isRtp(packet)) {
      // What is no stream of ours is padding that probes the bandwidth.
      const stream = this.#streams.get(ssrcOf(packet));
      if (!stream) return;
      stream.reception.take(packet, now);
      this.onPacket(stream.publicationId, now);
    } else if (isRtcp(packet)) {
      for (const news of readRtcp(packet))
        if (news.type === 'sender report')
          this.#streams.get(news.ssrc)?.reception.takeSenderReport(news.middleOfNtp, now);
    }
  }

  #report(): void {
    const now = performance.now();
    const blocks = [...this.#streams.values()].flatMap(({ reception }) => reception.reportBlock(now) ?? []);
    for (let from = 0; from < blocks.length; from += maxReportBlocks)
      this.#recv?.send(receiverReportOf(this.#ownSsrc, blocks.slice(from, from + maxReportBlocks)));
    // The key frame that it has to begin with, or the request for it, may be lost.
    for (const [ssrc, { kind, reception }] of this.#streams)
      if (kind === 'video' && reception.packets === 0) this.#recv?.send(pictureLossOf(this.#ownSsrc, ssrc));
  }

  /** Resolves when a packet of each came that is wanted by then. Rejects when one of them does not come in time. */
  async firstMedia(wanted: () => readonly string[]): Promise<void> {
    await waitFor(
      `media from ${this.nodeId}`,
      () => {
        const missing = wanted().find((id) => this.packetsOf(id) === 0);
        if (missing !== undefined) notYet(`there is none of ${missing}`);
        if (this.#closed) notYet('the link is closed');
      },
      { timeoutMs: firstMediaWithinMs, everyMs: 10 },
    );
  }

  // Sending.

  /** RTP packets sent so far, without those sent again. */
  packetsSent = 0;

  /** Publishes a stream, or puts it behind a publication of ours. */
  async publish(kind: MediaKind, { publicationId, video }: PublishOptions = {}): Promise<Publication> {
    this.#send ??= LightTransport.open({
      parameters: this.media.send,
      direction: 'send',
      connect: (dtlsParameters) =>
        this.request('connect_transport', { transportId: this.media.send.id, dtlsParameters }),
      onPacket: (packet) => void this.#heed(packet),
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
    // Closed while the node was asked.
    if (this.#closed) this.#stop();
    return publication;
  }

  /** Sends nothing until `resume`. */
  pause(): void {
    for (const { stop } of this.#sent.values()) stop();
  }

  /** Sends on where it paused. */
  resume(): void {
    for (const sent of this.#sent.values()) sent.stop = pacer.start(sent.source, sent.send);
  }

  /** What the node asks of our streams. */
  async #heed(packet: Buffer): Promise<void> {
    if (!isRtcp(packet)) return;
    const transport = await this.#send;
    for (const news of readRtcp(packet)) {
      const sent = this.#sent.get(news.ssrc);
      if (news.type === 'key frame wanted') sent?.source.requestKeyFrame();
      if (news.type !== 'packets lost') continue;
      for (const sequence of news.sequences) {
        const again = sent?.history.find(sequence);
        if (again) transport?.send(again);
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
    // Low enough that it does not wrap around at once, RFC 3711, section 3.3.1.
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
    // Sent again as they were: no RTX (RFC 4588).
    { type: 'nack', parameter: '' },
    { type: 'nack', parameter: 'pli' },
    { type: 'ccm', parameter: 'fir' },
  ];
  return { ...common, codecs: [{ mimeType: 'video/VP8', payloadType, clockRate: 90_000, rtcpFeedback }] };
}
