import { type EventLog, idleStreamSeconds, type LogEntry, type StreamSubscription } from '@flotilla/bus';
import { RelayId, TopicMode, TopicName } from '@flotilla/contracts';
import type { Logger } from '@flotilla/runtime';
import type { RelayStore } from '@flotilla/store';
import { z } from 'zod';
import type { RoutedFrame } from '../routing/outlet.ts';

const Entry = z.object({
  from: RelayId,
  /** `open`: a relay has the room from now on, those that have it too answer `here`. `close`: no longer. */
  kind: z.enum(['open', 'here', 'close', 'frames']),
  frames: z
    .array(
      z.object({
        topic: TopicName,
        mode: TopicMode,
        retain: z.boolean(),
        publisherId: z.string(),
        frame: z.base64(),
      }),
    )
    .default([]),
});
type Entry = z.infer<typeof Entry>;

const streamOf = (roomId: string): string => `{${roomId}}:metadata`;

/** What one entry takes at most, and what may wait while the log is slow or away; bytes. Beyond it the oldest is lost. */
const maxEntryBytes = 64 * 1024;
const maxWaitingBytes = 1024 * 1024;
/** Relays that died said no `close`: the fleet is looked at this often for those who reported within this time; ms. */
const lookEveryMs = 2000;
const deadAfterMs = 30_000;

/**
 * Frames between the relays of a room, over one stream. Nothing is written while no other relay has the room. Frames that come
 * while one entry is written go into the next one together, so a slow log makes entries longer and not more.
 */
export class RoomExchange {
  /** Relays that have the room as far as is known, and whether one of them lives. Nothing is to be forwarded while none does. */
  readonly #others = new Set<string>();
  #shared = false;
  #waiting: RoutedFrame[] = [];
  #waitingBytes = 0;
  #writing = false;
  #following: StreamSubscription | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly roomId: string,
    private readonly relayId: string,
    private readonly events: EventLog,
    private readonly relays: RelayStore,
    private readonly log: Logger,
    private readonly onFrame: (routed: RoutedFrame) => void,
    /** Another relay has the room too, or none any more. */
    private readonly onShared: (shared: boolean) => void,
  ) {}

  async start(): Promise<void> {
    const stream = streamOf(this.roomId);
    this.#following = this.events.subscribe(stream, await this.events.lastOffset(stream), (entries) =>
      this.#read(entries),
    );
    await this.#append({ kind: 'open' });
    this.#timer = setInterval(() => void this.#look(), lookEveryMs);
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
      const entry = Entry.safeParse(JSON.parse(data));
      if (entry.success && entry.data.from !== this.relayId) this.#onEntry(entry.data);
    }
  }

  #onEntry({ from, kind, frames }: Entry): void {
    if (kind === 'close') this.#others.delete(from);
    else this.#others.add(from);
    this.#share(this.#others.size > 0);
    if (kind === 'open')
      this.#append({ kind: 'here' }).catch((error: unknown) => this.log.warn({ err: error }, 'relay not answered'));
    for (const { frame, ...rest } of frames) {
      try {
        this.onFrame({ ...rest, frame: Buffer.from(frame, 'base64') });
      } catch (error) {
        this.log.warn({ err: error, from }, 'a frame of another relay can not be read');
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
    this.#waiting.push(routed);
    this.#waitingBytes += routed.frame.length;
    while (this.#waitingBytes > maxWaitingBytes) this.#waitingBytes -= this.#waiting.shift()!.frame.length;
    if (!this.#writing) void this.#write();
  }

  async #write(): Promise<void> {
    this.#writing = true;
    while (this.#waiting.length > 0) {
      const frames = this.#nextBatch().map(({ frame, ...rest }) => ({
        ...rest,
        frame: Buffer.from(frame.buffer, frame.byteOffset, frame.length).toString('base64'),
      }));
      await this.#append({ kind: 'frames', frames }).catch((error: unknown) =>
        this.log.debug({ err: error, frames: frames.length }, 'frames did not reach the other relays'),
      );
    }
    this.#writing = false;
  }

  #nextBatch(): RoutedFrame[] {
    let bytes = 0;
    const end = this.#waiting.findIndex(({ frame }) => (bytes += frame.length) > maxEntryBytes);
    const batch = this.#waiting.splice(0, end === -1 ? this.#waiting.length : Math.max(1, end));
    for (const { frame } of batch) this.#waitingBytes -= frame.length;
    return batch;
  }

  /** One that is only late with its reports is still passed on to: what it misses nobody sends again. */
  async #look(): Promise<void> {
    if (this.#others.size === 0) return;
    try {
      const relays = await this.relays.list();
      const newest = Math.max(...relays.map(({ lastSeenAt }) => lastSeenAt));
      const living = relays.filter(({ lastSeenAt }) => lastSeenAt > newest - deadAfterMs);
      this.#share(living.some(({ id }) => this.#others.has(id)));
    } catch (error) {
      this.log.debug({ err: error }, 'relays not read');
    }
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#following?.stop();
    this.#waiting = [];
    this.#append({ kind: 'close' }).catch(() => undefined);
  }
}
