import { createWorker } from 'mediasoup';
import type { Consumer, DirectTransport, PlainTransport, Producer, Router, Worker } from 'mediasoup/types';
import { SubscriberAllocation, type SubscriberAllocationOptions } from '../src/allocation/subscriber-allocation.ts';
import { routerOptions } from '../src/codecs.ts';
import { LayerAllocator } from '../src/layer-allocator.ts';
import { Bottleneck } from './bottleneck.ts';
import { framePartOf, GallerySource, type SentLayer } from './gallery-source.ts';
import { startRtpSource } from './rtp-source.ts';

const listenInfo = { protocol: 'udp', ip: '127.0.0.1', recvBufferSize: 4 * 1024 * 1024 } as const;
/** Without a frame for this long, a video that continues afterwards was frozen, in milliseconds. */
const frozenAfterMs = 500;

/** A tile of the subscriber's page. */
export interface Tile {
  readonly layers: readonly SentLayer[];
  /** What the page wants: the highest layer, and the priority. */
  readonly wanted: number;
  readonly priority: number;
  /** Lines of the tile: more of the picture do not show. */
  readonly lines: number;
}

/** What arrived of a video since the last call. */
export interface Arrived {
  readonly frames: number;
  readonly bits: number;
  readonly freezes: number;
  /** Pixels that were shown, of each frame no more than the tile has. */
  readonly pixels: number;
  /** Part of the time with frames, 0 to 1. */
  readonly shown: number;
}

/** Counts the complete frames of one video at its subscriber. */
class Screen {
  #parts = { timestamp: -1, indices: new Set<number>() };
  #lastMs = performance.now();
  #since = performance.now();
  #frozenMs = 0;
  #counted = { frames: 0, bits: 0, freezes: 0, pixels: 0 };

  constructor(private readonly tile: Tile) {}

  add(packet: Buffer): void {
    const part = framePartOf(packet);
    this.#counted.bits += packet.length * 8;
    if (!part) return;
    if (part.timestamp !== this.#parts.timestamp) this.#parts = { timestamp: part.timestamp, indices: new Set() };
    this.#parts.indices.add(part.index);
    if (this.#parts.indices.size !== part.count) return;
    const now = performance.now();
    const gapMs = now - this.#lastMs;
    if (gapMs > frozenAfterMs) {
      this.#counted.freezes++;
      this.#frozenMs += gapMs;
    }
    this.#lastMs = now;
    this.#counted.frames++;
    const lines = Math.min(this.tile.lines, this.tile.layers[part.layer]?.lines ?? 0);
    this.#counted.pixels += lines * lines * (16 / 9);
  }

  /** A pause that the page was notified of ends or begins: it is no freeze. */
  restart(): void {
    this.#frozenMs += performance.now() - this.#lastMs;
    this.#lastMs = performance.now();
  }

  take(): Arrived {
    const now = performance.now();
    const open = now - this.#lastMs > frozenAfterMs ? now - Math.max(this.#lastMs, this.#since) : 0;
    const shown = 1 - Math.min(1, (this.#frozenMs + open) / (now - this.#since));
    const taken = { ...this.#counted, shown };
    this.#counted = { frames: 0, bits: 0, freezes: 0, pixels: 0 };
    this.#frozenMs = 0;
    this.#since = now;
    return taken;
  }
}

/** Publishers on one SFU, and a subscriber of all of them over a path with a bottleneck, with transport-wide feedback. */
export class Gallery {
  readonly consumers: Consumer[] = [];
  readonly sounds: Consumer[] = [];
  readonly screens: Screen[] = [];
  readonly limited: (readonly string[])[] = [];
  /** bit/s; undefined before the first estimate. */
  estimate: number | undefined;
  readonly layers = new LayerAllocator(() => this.consumers);
  allocation: SubscriberAllocation | undefined;
  speakers = new Set<string>();
  readonly #stops: (() => void)[] = [];
  #soundPackets = 0;
  #ssrc = 10_000;

  private constructor(
    private readonly workers: readonly Worker[],
    private readonly routers: readonly [Router, Router],
    readonly path: Bottleneck,
    readonly sender: PlainTransport,
    private readonly receiver: PlainTransport,
    private readonly exit: DirectTransport,
  ) {}

  /** @param isAllocating whether the allocation of the subscriber's bandwidth is on, or mediasoup's own alone. */
  static async open(
    isAllocating: boolean,
    { times }: Pick<SubscriberAllocationOptions, 'times'> = {},
  ): Promise<Gallery> {
    const workers = await Promise.all([1, 2].map(() => createWorker()));
    const [near, far] = (await Promise.all(workers.map((each) => each.createRouter(routerOptions)))) as [
      Router,
      Router,
    ];
    const path = await Bottleneck.open();
    const sender = await near.createPlainTransport({ listenInfo });
    const receiver = await far.createPlainTransport({ listenInfo });
    path.connect(sender.tuple.localPort, receiver.tuple.localPort);
    await sender.connect({ ip: '127.0.0.1', port: path.ports[0] });
    await receiver.connect({ ip: '127.0.0.1', port: path.ports[1] });
    const exit = await far.createDirectTransport();
    const gallery = new Gallery(workers, [near, far], path, sender, receiver, exit);
    if (isAllocating)
      gallery.allocation = new SubscriberAllocation({
        transport: sender,
        layers: gallery.layers,
        isActiveSpeaker: (id) => gallery.speakers.has(id),
        onLimited: (ids) => gallery.#onLimited(ids),
        ...(times && { times }),
      });
    sender.on('trace', ({ type, info }) => {
      if (type === 'bwe') gallery.estimate = (info as { availableBitrate: number }).availableBitrate;
    });
    await sender.enableTraceEvent(['bwe']);
    return gallery;
  }

  #onLimited(ids: readonly string[]): void {
    const before = new Set(this.limited.at(-1));
    this.limited.push(ids);
    for (const [at, screen] of this.screens.entries())
      if (ids.includes(`video ${at}`) !== before.has(`video ${at}`)) screen.restart();
  }

  async #produce(kind: 'audio' | 'video', ssrcs: readonly number[]): Promise<[Producer, PlainTransport, number]> {
    const [near] = this.routers;
    const {
      mimeType,
      clockRate,
      channels,
      preferredPayloadType: payloadType,
    } = near.rtpCapabilities.codecs!.find(
      (each) => ['video/VP8', 'audio/opus'].includes(each.mimeType) && each.kind === kind,
    )!;
    const rtcpFeedback =
      kind === 'video'
        ? [
            { type: 'nack', parameter: '' },
            { type: 'nack', parameter: 'pli' },
          ]
        : [];
    const entrance = await near.createPlainTransport({ listenInfo, comedia: true });
    const producer = await entrance.produce({
      kind,
      rtpParameters: {
        codecs: [{ mimeType, clockRate, payloadType, rtcpFeedback, ...(channels && { channels }) }],
        encodings: ssrcs.map((ssrc) => ({ ssrc, ...(ssrcs.length > 1 && { scalabilityMode: 'L1T3' }) })),
      },
    });
    return [producer, entrance, payloadType];
  }

  async #subscribe(producer: Producer, onPacket: (packet: Buffer) => void): Promise<Consumer> {
    const [near, far] = this.routers;
    const consumer = await this.sender.consume({
      producerId: producer.id,
      rtpCapabilities: near.rtpCapabilities,
      enableRtx: true,
      paused: true,
    });
    const { kind, rtpParameters } = consumer;
    // One stream without layers arrives: nothing of it is to be dropped behind the subscriber's transport.
    const encodings = rtpParameters.encodings!.map(({ ssrc, rtx }) => ({ ssrc: ssrc!, ...(rtx && { rtx }) }));
    const arrived = await this.receiver.produce({ kind, rtpParameters: { ...rtpParameters, encodings } });
    const seen = await this.exit.consume({ producerId: arrived.id, rtpCapabilities: far.rtpCapabilities });
    seen.on('rtp', onPacket);
    return consumer;
  }

  /** A publisher with a microphone. */
  async addSound(): Promise<void> {
    const ssrc = this.#ssrc;
    this.#ssrc += 10;
    const [producer, entrance, payloadType] = await this.#produce('audio', [ssrc]);
    this.#stops.push(startRtpSource(entrance, { ssrc, payloadType }));
    const consumer = await this.#subscribe(producer, () => this.#soundPackets++);
    this.allocation?.add(consumer, { publicationId: 'sound', participantId: 'sound', source: 'microphone', producer });
    await (this.allocation?.setPaused(consumer, false) ?? consumer.resume());
    this.sounds.push(consumer);
  }

  /** A publisher with a camera. */
  async addVideo(tile: Tile): Promise<Consumer> {
    const firstSsrc = this.#ssrc;
    this.#ssrc += 11;
    const { layers } = tile;
    const [producer, entrance, payloadType] = await this.#produce(
      'video',
      layers.map((_, at) => firstSsrc + at),
    );
    const source = new GallerySource(entrance, { payloadType, firstSsrc, layers });
    this.#stops.push(() => source.stop());
    const screen = new Screen(tile);
    const consumer = await this.#subscribe(producer, (packet) => screen.add(packet));
    const id = `video ${this.consumers.length}`;
    this.consumers.push(consumer);
    this.screens.push(screen);
    this.layers.add(consumer);
    this.allocation?.add(consumer, { publicationId: id, participantId: id, source: 'camera', producer });
    if (consumer.type !== 'simple') await this.layers.setMaximum(consumer, { spatial: tile.wanted });
    await consumer.setPriority(tile.priority);
    await (this.allocation?.setPaused(consumer, false) ?? consumer.resume());
    this.layers.reallocate();
    return consumer;
  }

  /** Audio packets that arrived since the last call. */
  takeSoundPackets(): number {
    const packets = this.#soundPackets;
    this.#soundPackets = 0;
    return packets;
  }

  close(): void {
    this.allocation?.close();
    this.layers.close();
    for (const stop of this.#stops) stop();
    for (const worker of this.workers) worker.close();
    this.path.close();
  }
}
