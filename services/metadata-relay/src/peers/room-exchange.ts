import { entryValue, type EventLog, idleStreamSeconds, type LogEntry, type StreamSubscription } from '@flotilla/bus';
import { RelayId, TopicMode, TopicName, UserId } from '@flotilla/contracts';
import { inSpan, type Logger, outsideTraces, retry } from '@flotilla/runtime';
import type { RelayStore, RetainedKey } from '@flotilla/store';
import { z } from 'zod';
import type { RoutedFrame } from '../routing/outlet.ts';
import { type Deletion, ForwardQueue } from './forward-queue.ts';

const Entry = z.object({
  from: RelayId,
  /** `open`: the sender opened the room; relays with the same room answer `announce`. `close`: the sender closed it. */
  kind: z.enum(['open', 'announce', 'close', 'frames', 'forget']),
  frames: z
    .array(
      z.object({
        topic: TopicName,
        mode: TopicMode,
        retain: z.boolean(),
        publisherId: z.string(),
        userId: UserId.optional(),
        frame: z.base64(),
        trace: z.record(z.string(), z.string()).optional(),
      }),
    )
    .default([]),
  /** Retained values that were deleted. */
  forgotten: z.array(z.object({ topic: TopicName, publisherId: z.string() })).default([]),
});
type Entry = z.infer<typeof Entry>;

const streamOf = (roomId: string): string => `{${roomId}}:metadata`;

/** Interval at which the relays' heartbeats are read: a relay that died has not sent `close`. */
const livenessCheckMs = 2000;
/** Time since the last heartbeat after which a relay counts as dead. */
const deadAfterMs = 30_000;

/**
 * Exchanges frames between the relays of a room, over one stream. Nothing is written while no other relay has the room. Frames that
 * arrive during a write are batched into the next entry, so a slow log makes entries longer and not more. Frames that cannot be written are
 * lost; deletions of values are written again until they succeed, before the frames that follow them.
 */
export class RoomExchange {
  /** Ids of the other relays that have announced the room. */
  readonly #others = new Set<string>();
  /** Whether at least one of the others is alive. Frames are forwarded only then. */
  #shared = false;
  readonly #queue = new ForwardQueue();
  #writing = false;
  #subscription: StreamSubscription | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(
    private readonly roomId: string,
    private readonly relayId: string,
    private readonly events: EventLog,
    private readonly relays: RelayStore,
    private readonly log: Logger,
    private readonly onFrame: (routed: RoutedFrame) => void,
    private readonly onForgotten: (value: RetainedKey) => void,
    /** Called when the first other relay opened the room, and when the last one closed it. */
    private readonly onShared: (shared: boolean) => void,
  ) {}

  /** Does nothing further once `stop` was called. */
  async start(): Promise<void> {
    const stream = streamOf(this.roomId);
    const offset = await this.events.lastOffset(stream);
    if (this.#isStopped) return;
    this.#subscription = this.events.subscribe(stream, offset, (entries) => this.#read(entries));
    await this.#append({ kind: 'open' });
    if (this.#isStopped) return;
    this.#timer = setInterval(() => void this.#checkLiveness(), livenessCheckMs);
  }

  async #append(entry: Omit<z.input<typeof Entry>, 'from'>): Promise<void> {
    await this.events.append(
      streamOf(this.roomId),
      JSON.stringify({ from: this.relayId, ...entry }),
      idleStreamSeconds,
    );
  }

  #read(entries: readonly LogEntry[]): void {
    for (const { data } of entries) {
      // An entry of a later version may not fit.
      const entry = Entry.safeParse(entryValue(data));
      if (entry.success && entry.data.from !== this.relayId) this.#onEntry(entry.data);
    }
  }

  #onEntry({ from, kind, frames, forgotten }: Entry): void {
    if (kind === 'close') this.#others.delete(from);
    else this.#others.add(from);
    this.#share(this.#others.size > 0);
    if (kind === 'open')
      this.#append({ kind: 'announce' }).catch((error: unknown) =>
        this.log.warn({ err: error }, 'room not announced to another relay'),
      );
    for (const value of forgotten) this.onForgotten(value);
    for (const { frame, ...rest } of frames) {
      const receive = (): void => this.onFrame({ ...rest, frame: Buffer.from(frame, 'base64') });
      try {
        if (rest.trace) inSpan('receive first frame', { kind: 'consumer', carrier: rest.trace }, receive);
        else receive();
      } catch (error) {
        this.log.warn({ err: error, from }, 'invalid frame from another relay');
      }
    }
  }

  #share(shared: boolean): void {
    if (shared === this.#shared) return;
    this.#shared = shared;
    this.onShared(shared);
  }

  /** Sends a frame to the other relays that have the room. */
  forward(routed: RoutedFrame): void {
    this.#queue.push(routed);
    this.#startWriting();
  }

  /** Tells the other relays that have the room of a retained value that was deleted. */
  forget(value: RetainedKey): void {
    if (!this.#shared || this.#isStopped) return;
    this.#queue.forget(value);
    this.#startWriting();
  }

  #startWriting(): void {
    // It writes frames of other traces, too.
    if (!this.#writing) void outsideTraces(() => this.#write());
  }

  async #write(): Promise<void> {
    this.#writing = true;
    for (let batch = this.#queue.next(); batch && !this.#isStopped; batch = this.#queue.next()) {
      if ('frames' in batch) await this.#writeFrames(batch.frames);
      else {
        const { deletions } = batch;
        await retry(() => this.#writeDeletions(deletions), { forMs: Infinity });
      }
    }
    this.#writing = false;
  }

  async #writeFrames(routed: readonly RoutedFrame[]): Promise<void> {
    const frames = routed.map(({ frame, ...rest }) => ({
      ...rest,
      frame: Buffer.from(frame.buffer, frame.byteOffset, frame.length).toString('base64'),
    }));
    const append = (): Promise<void> => this.#append({ kind: 'frames', frames });
    const carrier = frames.find(({ trace }) => trace)?.trace;
    const appended = carrier ? inSpan('forward first frame', { kind: 'producer', carrier }, append) : append();
    await appended.catch((error: unknown) =>
      this.log.debug({ err: error, frames: frames.length }, 'frames not forwarded to the other relays'),
    );
  }

  /** Throws when they are to be written again; not after `stop`, which writes them itself. */
  async #writeDeletions(deletions: readonly Deletion[]): Promise<void> {
    if (this.#isStopped) return;
    try {
      await this.#append({ kind: 'forget', forgotten: deletions.map(({ value }) => value) });
      this.#queue.confirm(deletions);
    } catch (error) {
      this.log.warn({ err: error, values: deletions.length }, 'deleted values not announced to the other relays yet');
      if (!this.#isStopped) throw error;
    }
  }

  /** The limit is generous: a relay with late heartbeats that is wrongly declared dead would miss frames for good. */
  async #checkLiveness(): Promise<void> {
    if (this.#others.size === 0) return;
    try {
      const relays = await this.relays.list();
      const newest = Math.max(...relays.map(({ lastSeenAt }) => lastSeenAt));
      const alive = relays.filter(({ lastSeenAt }) => lastSeenAt > newest - deadAfterMs);
      this.#share(alive.some(({ id }) => this.#others.has(id)));
    } catch (error) {
      this.log.debug({ err: error }, 'relay heartbeats not read');
    }
  }

  /** Leaves the exchange. Pending deletions are written once more, pending frames are dropped. */
  stop(): void {
    this.#isStopped = true;
    clearInterval(this.#timer);
    this.#subscription?.stop();
    // Not one after the other: the room may be opened again at once, whose `open` has to follow.
    for (const entry of [...this.#lastDeletions(), { kind: 'close' } as const])
      this.#append(entry).catch((error: unknown) =>
        this.log.debug({ err: error, kind: entry.kind }, 'closed room not announced to the other relays'),
      );
  }

  *#lastDeletions(): Generator<{ kind: 'forget'; forgotten: RetainedKey[] }> {
    this.#queue.dropFrames();
    for (let batch = this.#queue.next(); batch && 'deletions' in batch; batch = this.#queue.next()) {
      this.#queue.confirm(batch.deletions);
      yield { kind: 'forget', forgotten: batch.deletions.map(({ value }) => value) };
    }
  }
}
