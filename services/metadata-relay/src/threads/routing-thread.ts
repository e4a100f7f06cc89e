import { Worker } from 'node:worker_threads';
import {
  type ChannelKind,
  channelIds,
  FlotillaError,
  type LinkReport,
  maxMetadataFrameBytes,
  type RetainedMessage,
  type TopicDeclaration,
  type TopicInfo,
  type TopicSelection,
} from '@flotilla/contracts';
import { createRing, RingConsumer, RingProducer } from '@flotilla/data-channel/ring';
import type { Logger } from '@flotilla/runtime';
import { framesDropped } from '../metrics.ts';
import type { LinkLimits } from '../routing/link-state.ts';
import type { Outlet, RoutedFrame } from '../routing/outlet.ts';
import { type RoutingClock, tooManyInvalidFrames } from '../routing/room-routing.ts';
import type { Routing, RoutingCall } from '../routing/routing.ts';
import { addIncreases } from './counters.ts';
import type { Call, ThreadData, ThreadMessage } from './messages.ts';
import { channelOf, numberOf, opcodeOf, payloadOf } from './record.ts';

/** Size of each ring: one second of the highest intended load. */
const ringBytes = 8 * 1024 * 1024;
const clockUpdateMs = 100;

/** A worker thread that routes for all rooms of a relay. Frames are sent to it, and operations received, over two rings. */
export class RoutingThread {
  readonly #worker: Worker;
  readonly #frames: RingProducer;
  readonly #operations: RingConsumer;
  readonly #rooms = new Map<number, ThreadedRouting>();
  readonly #links = new Map<number, { room: ThreadedRouting; linkId: string }>();
  /** Calls without an answer yet, by id. */
  readonly #pending = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #clockTimer: NodeJS.Timeout;
  #lastNumber = 0;
  #stopped = false;

  constructor(
    limits: LinkLimits,
    clock: RoutingClock,
    /** Called when the thread ended unexpectedly. */
    private readonly onDied: () => void,
    private readonly log: Logger,
  ) {
    const maxFrame = maxMetadataFrameBytes + 1024;
    const data: ThreadData = {
      incoming: createRing(ringBytes, maxFrame),
      outgoing: createRing(ringBytes, maxFrame),
      timeOffset: new SharedArrayBuffer(8),
      limits,
    };
    const offset = new BigInt64Array(data.timeOffset);
    const setClock = (): void => {
      Atomics.store(offset, 0, BigInt(Math.round(clock.fleetMicros())) - process.hrtime.bigint() / 1000n);
    };
    setClock();
    this.#clockTimer = setInterval(setClock, clockUpdateMs);
    this.#frames = new RingProducer(data.incoming);
    this.#operations = new RingConsumer(data.outgoing);
    this.#worker = new Worker(new URL('./routing-thread-main.js', import.meta.url), { workerData: data });
    this.#worker.on('message', (message: ThreadMessage) => this.#onMessage(message));
    this.#worker.on('error', (error) => log.error({ err: error }, 'routing thread failed'));
    this.#worker.on('exit', () => this.#onExit());
    void this.#consume();
  }

  /** The routing of a new room, whose operations are applied to `outlet`. */
  openRoom(outlet: Outlet): Routing {
    const room = new ThreadedRouting(this, ++this.#lastNumber, outlet);
    this.#rooms.set(room.number, room);
    return room;
  }

  closeRoom(room: ThreadedRouting): void {
    this.#rooms.delete(room.number);
  }

  openLink(room: ThreadedRouting, linkId: string): number {
    const link = ++this.#lastNumber;
    this.#links.set(link, { room, linkId });
    return link;
  }

  closeLink(link: number): void {
    this.#links.delete(link);
  }

  /** Passes a client's frame to the thread. Dropped when the ring is full. */
  pushFrame(link: number, channel: ChannelKind, frame: Uint8Array): void {
    if (frame.length > maxMetadataFrameBytes) framesDropped.inc({ reason: 'too-large' });
    else if (!this.#frames.tryPush(frame, link * 4 + channelIds[channel]))
      framesDropped.inc({ reason: 'routing_busy' });
  }

  /** Calls a method without an answer. */
  notify(call: Call): void {
    if (!this.#stopped) this.#worker.postMessage(call, []);
  }

  /** Calls a method and resolves to its result. */
  request(call: Omit<Call, 'id'>): Promise<unknown> {
    if (this.#stopped) return Promise.reject(new FlotillaError('NODE_UNAVAILABLE', 'the routing thread ended'));
    const id = ++this.#lastNumber;
    const pending = Promise.withResolvers<unknown>();
    this.#pending.set(id, pending);
    this.notify({ ...call, id });
    return pending.promise;
  }

  async #consume(): Promise<void> {
    while (!this.#stopped) if (await this.#operations.waitAsync(1000)) this.#drain();
  }

  #drain(): void {
    for (let record = this.#operations.tryPop(); record; record = this.#operations.tryPop()) {
      try {
        this.#apply(record, this.#operations.tag);
      } catch (error) {
        this.log.error({ err: error }, 'routing operation failed');
      }
    }
  }

  #apply(record: Uint8Array, tag: number): void {
    const opcode = opcodeOf(record);
    if (opcode === 'fanOut') return this.#rooms.get(tag)?.outlet.fanOut(payloadOf(record), numberOf(record));
    if (opcode === 'forward') return this.#rooms.get(tag)?.forward(payloadOf(record), numberOf(record));
    const link = this.#links.get(tag);
    if (!link) return;
    const { room, linkId } = link;
    const { outlet } = room;
    const channel = channelOf(record);
    switch (opcode) {
      case 'send':
        return outlet.send(linkId, channel, payloadOf(record));
      case 'addSubchannel':
        return outlet.addSubchannel(linkId, channel, numberOf(record));
      case 'removeSubchannel':
        return outlet.removeSubchannel(linkId, channel, numberOf(record));
      case 'pause':
        return outlet.pause(linkId, channel);
      case 'resume':
        return outlet.resume(linkId, channel);
      case 'queryBuffered':
        return outlet.queryBuffered(linkId, channel);
      case 'disconnect':
        return outlet.disconnect(linkId, tooManyInvalidFrames);
    }
  }

  #onMessage(message: ThreadMessage): void {
    // Operations written before the message are applied first.
    this.#drain();
    switch (message.type) {
      case 'answer': {
        const pending = this.#pending.get(message.id);
        this.#pending.delete(message.id);
        if (message.error) pending?.reject(new FlotillaError(message.error.code, message.error.message));
        else pending?.resolve(message.result);
        return;
      }
      case 'retain':
        return this.#rooms.get(message.room)?.outlet.retain(message.message);
      case 'forget':
        return this.#rooms.get(message.room)?.outlet.forget(message.topic, message.publisherId);
      case 'counters':
        addIncreases(message.increases);
    }
  }

  #onExit(): void {
    const unexpected = !this.#stopped;
    this.#stopped = true;
    clearInterval(this.#clockTimer);
    for (const { reject } of this.#pending.values())
      reject(new FlotillaError('NODE_UNAVAILABLE', 'the routing thread ended'));
    this.#pending.clear();
    if (unexpected) this.onDied();
  }

  async close(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#clockTimer);
    await this.#worker.terminate();
  }
}

/** Proxy of a room's routing in the routing thread. */
export class ThreadedRouting implements Routing {
  readonly #links = new Map<string, number>();

  constructor(
    private readonly thread: RoutingThread,
    readonly number: number,
    readonly outlet: Outlet,
  ) {}

  #notify(call: RoutingCall, ...args: unknown[]): void {
    this.thread.notify({ room: this.number, call, args });
  }

  #request<T>(call: RoutingCall, ...args: unknown[]): Promise<T> {
    return this.thread.request({ room: this.number, call, args }) as Promise<T>;
  }

  async open(linkId: string, publisherId: string): Promise<void> {
    const link = this.thread.openLink(this, linkId);
    this.#links.set(linkId, link);
    await this.thread.request({ room: this.number, call: 'open', args: [linkId, publisherId], link });
  }

  close(linkId: string): void {
    this.thread.closeLink(this.#links.get(linkId) ?? -1);
    this.#links.delete(linkId);
    this.#notify('close', linkId);
  }

  receive(linkId: string, channel: ChannelKind, bytes: Uint8Array): void {
    const link = this.#links.get(linkId);
    if (link !== undefined) this.thread.pushFrame(link, channel, bytes);
  }

  /** Decodes a frame for the other relays: `headerBytes` bytes of JSON, then the frame. */
  forward(payload: Uint8Array, headerBytes: number): void {
    const header = JSON.parse(Buffer.from(payload.subarray(0, headerBytes)).toString()) as Omit<RoutedFrame, 'frame'>;
    // Copied: the frame is queued for writing, while the ring's memory is reused.
    this.outlet.forward({ ...header, frame: payload.slice(headerBytes) });
  }

  onReady(linkId: string): void {
    this.#notify('onReady', linkId);
  }

  receiveRemote(routed: RoutedFrame): void {
    this.#notify('receiveRemote', routed);
  }

  restore(messages: readonly RetainedMessage[]): void {
    this.#notify('restore', messages);
  }

  onBuffered(linkId: string, channel: ChannelKind, bytes: number): void {
    this.#notify('onBuffered', linkId, channel, bytes);
  }

  onOverflow(linkId: string, channel: ChannelKind): void {
    this.#notify('onOverflow', linkId, channel);
  }

  tick(): void {
    this.#notify('tick');
  }

  share(shared: boolean): void {
    this.#notify('share', shared);
  }

  publish(linkId: string, declaration: TopicDeclaration): Promise<TopicInfo> {
    return this.#request('publish', linkId, declaration);
  }

  unpublish(linkId: string, topic: string): Promise<void> {
    return this.#request('unpublish', linkId, topic);
  }

  subscribe(linkId: string, topics: TopicSelection): Promise<TopicInfo[]> {
    return this.#request('subscribe', linkId, topics);
  }

  unsubscribe(linkId: string, topics: TopicSelection): Promise<void> {
    return this.#request('unsubscribe', linkId, topics);
  }

  report(linkId: string, report: LinkReport): Promise<void> {
    return this.#request('report', linkId, report);
  }

  end(): void {
    this.#notify('end');
    for (const link of this.#links.values()) this.thread.closeLink(link);
    this.thread.closeRoom(this);
  }
}
