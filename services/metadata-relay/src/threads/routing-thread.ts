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
import type { RoutingClock } from '../routing/room-routing.ts';
import type { Routing, RoutingCall } from '../routing/routing.ts';
import { addCounted } from './counters.ts';
import type { Call, ThreadData, ThreadWord } from './messages.ts';
import { channelOf, flagOf, numberOf, opcodeOf, payloadOf } from './record.ts';

/** A second of the worst that is meant to pass, each way. */
const ringBytes = 8 * 1024 * 1024;
const clockEveryMs = 100;

/** One thread that routes for all rooms of a relay: frames go there and what is to be done comes back over two rings. */
export class RoutingThread {
  readonly #worker: Worker;
  readonly #frames: RingProducer;
  readonly #ops: RingConsumer;
  readonly #rooms = new Map<number, ThreadedRouting>();
  readonly #links = new Map<number, { room: ThreadedRouting; linkId: string }>();
  readonly #asked = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #clockTimer: NodeJS.Timeout;
  #lastNumber = 0;
  #stopped = false;

  constructor(
    limits: LinkLimits,
    clock: RoutingClock,
    /** It ended by itself: nothing is routed any more. */
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
    this.#clockTimer = setInterval(setClock, clockEveryMs);
    this.#frames = new RingProducer(data.incoming);
    this.#ops = new RingConsumer(data.outgoing);
    this.#worker = new Worker(new URL('./routing-thread-main.js', import.meta.url), { workerData: data });
    this.#worker.on('message', (word: ThreadWord) => this.#onWord(word));
    this.#worker.on('error', (error) => log.error({ err: error }, 'the routing thread failed'));
    this.#worker.on('exit', () => this.#onExit());
    void this.#follow();
  }

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

  /** A frame that came over a link. Dropped when the thread is a ring behind. */
  pushFrame(link: number, channel: ChannelKind, frame: Uint8Array): void {
    if (frame.length > maxMetadataFrameBytes) framesDropped.inc({ reason: 'too-large' });
    else if (!this.#frames.tryPush(frame, link * 4 + channelIds[channel]))
      framesDropped.inc({ reason: 'routing_busy' });
  }

  tell(call: Call): void {
    if (!this.#stopped) this.#worker.postMessage(call, []);
  }

  ask(call: Omit<Call, 'id'>): Promise<unknown> {
    if (this.#stopped) return Promise.reject(new FlotillaError('NODE_UNAVAILABLE', 'the routing thread ended'));
    const id = ++this.#lastNumber;
    const asked = Promise.withResolvers<unknown>();
    this.#asked.set(id, asked);
    this.tell({ ...call, id });
    return asked.promise;
  }

  async #follow(): Promise<void> {
    while (!this.#stopped) if (await this.#ops.waitAsync(1000)) this.#drain();
  }

  #drain(): void {
    for (let record = this.#ops.tryPop(); record; record = this.#ops.tryPop()) {
      try {
        this.#carryOut(record, this.#ops.tag);
      } catch (error) {
        this.log.error({ err: error }, 'what routing asked for failed');
      }
    }
  }

  #carryOut(record: Uint8Array, tag: number): void {
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
      case 'carry':
        return outlet.carry(linkId, channel, numberOf(record), flagOf(record));
      case 'hold':
        return outlet.hold(linkId, channel, flagOf(record));
      case 'askBacklog':
        return outlet.askBacklog(linkId, channel);
      case 'expel':
        return outlet.expel(linkId, 'too many frames that may not be sent');
    }
  }

  #onWord(word: ThreadWord): void {
    // What it asked for before it said this comes first.
    this.#drain();
    switch (word.say) {
      case 'answer': {
        const asked = this.#asked.get(word.id);
        this.#asked.delete(word.id);
        if (word.error) asked?.reject(new FlotillaError(word.error.code, word.error.message));
        else asked?.resolve(word.result);
        return;
      }
      case 'retain':
        return this.#rooms.get(word.room)?.outlet.retain(word.message);
      case 'forget':
        return this.#rooms.get(word.room)?.outlet.forget(word.topic, word.publisherId);
      case 'counted':
        addCounted(word.counts);
    }
  }

  #onExit(): void {
    const byItself = !this.#stopped;
    this.#stopped = true;
    clearInterval(this.#clockTimer);
    for (const { reject } of this.#asked.values())
      reject(new FlotillaError('NODE_UNAVAILABLE', 'the routing thread ended'));
    this.#asked.clear();
    if (byItself) this.onDied();
  }

  async close(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#clockTimer);
    await this.#worker.terminate();
  }
}

/** The routing of one room, as a proxy of what runs in the thread. */
export class ThreadedRouting implements Routing {
  readonly #links = new Map<string, number>();

  constructor(
    private readonly thread: RoutingThread,
    readonly number: number,
    readonly outlet: Outlet,
  ) {}

  #tell(call: RoutingCall, ...args: unknown[]): void {
    this.thread.tell({ room: this.number, call, args });
  }

  #ask<T>(call: RoutingCall, ...args: unknown[]): Promise<T> {
    return this.thread.ask({ room: this.number, call, args }) as Promise<T>;
  }

  async open(linkId: string, publisherId: string): Promise<void> {
    const link = this.thread.openLink(this, linkId);
    this.#links.set(linkId, link);
    await this.thread.ask({ room: this.number, call: 'open', args: [linkId, publisherId], link });
  }

  close(linkId: string): void {
    this.thread.closeLink(this.#links.get(linkId) ?? -1);
    this.#links.delete(linkId);
    this.#tell('close', linkId);
  }

  receive(linkId: string, channel: ChannelKind, bytes: Uint8Array): void {
    const link = this.#links.get(linkId);
    if (link !== undefined) this.thread.pushFrame(link, channel, bytes);
  }

  /** The header that comes before a frame for other relays is JSON of this many bytes. */
  forward(payload: Uint8Array, headerBytes: number): void {
    const header = JSON.parse(Buffer.from(payload.subarray(0, headerBytes)).toString()) as Omit<RoutedFrame, 'frame'>;
    // It waits to be written, and the ring's memory does not.
    this.outlet.forward({ ...header, frame: payload.slice(headerBytes) });
  }

  ready(linkId: string): void {
    this.#tell('ready', linkId);
  }

  receiveRemote(routed: RoutedFrame): void {
    this.#tell('receiveRemote', routed);
  }

  restore(messages: readonly RetainedMessage[]): void {
    this.#tell('restore', messages);
  }

  backlog(linkId: string, channel: ChannelKind, bytes: number): void {
    this.#tell('backlog', linkId, channel, bytes);
  }

  overflowed(linkId: string, channel: ChannelKind): void {
    this.#tell('overflowed', linkId, channel);
  }

  tick(): void {
    this.#tell('tick');
  }

  share(shared: boolean): void {
    this.#tell('share', shared);
  }

  publish(linkId: string, declaration: TopicDeclaration): Promise<TopicInfo> {
    return this.#ask('publish', linkId, declaration);
  }

  unpublish(linkId: string, topic: string): Promise<void> {
    return this.#ask('unpublish', linkId, topic);
  }

  subscribe(linkId: string, topics: TopicSelection): Promise<TopicInfo[]> {
    return this.#ask('subscribe', linkId, topics);
  }

  unsubscribe(linkId: string, topics: TopicSelection): Promise<void> {
    return this.#ask('unsubscribe', linkId, topics);
  }

  report(linkId: string, report: LinkReport): Promise<void> {
    return this.#ask('report', linkId, report);
  }

  end(): void {
    this.#tell('end');
    for (const link of this.#links.values()) this.thread.closeLink(link);
    this.thread.closeRoom(this);
  }
}
