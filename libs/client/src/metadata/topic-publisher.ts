import type { FleetClock } from '@flotilla/clock/sync';
import { FlotillaError, type TopicMode } from '@flotilla/contracts';
import {
  type AdaptiveChannel,
  channelFor,
  encodeFrame,
  frameOverhead,
  initialMode,
  type ModeState,
  nextMode,
  split,
} from '@flotilla/data-channel';
import type { RoomState } from '../room/room-state.ts';
import { bytesOf, type MetadataData } from './message.ts';
import type { RelayLink } from './relay-link.ts';

/** Publishers send the relation of their clock to the fleet's on this topic; subscribers that align by frames need it. */
export const clockTopic = 'flotilla.clock';
const clockIntervalMs = 5000;
const adaptIntervalMs = 250;
/**
 * Messages that may be lost are dropped rather than sent late: when the browser buffers more bytes than this, or, on the
 * `unreliable` channel, has buffered some for longer than this.
 */
const maxBufferedBytes = 64 * 1024;
const maxBufferedMs = 100;
/** How long such a message waits for a link before it is dropped, in milliseconds. Retained ones are not dropped. */
const linkWithinMs = 2000;
/** Messages of a topic that wait to be sent, at most. */
const maxWaiting = 1024;

export interface PublishMetadataOptions {
  /** Capture time of what the message describes, in milliseconds of the fleet's time: see `now` and `timeOf`. */
  readonly captureTime?: number;
  /**
   * `adaptive` (default): retransmitted up to three times while the path is good, not while it is bad. `reliable`:
   * retransmitted until it arrives. `unreliable`: never retransmitted. All publishers of a topic use the same mode.
   */
  readonly mode?: TopicMode;
  /** The relay keeps the last message of the topic for later subscribers. */
  readonly retain?: boolean;
  /** Called as a long message is sent, with the bytes given to the browser so far and in all. */
  readonly onProgress?: (sentBytes: number, size: number) => void;
}

/** A topic that this client publishes. */
interface Declared {
  mode: TopicMode;
  retain: boolean;
  /** The link on which it was declared. */
  link: RelayLink | undefined;
  nextSeqId: number;
  /** Messages that wait to be sent. */
  waiting: number;
  /** Settles with the last of them: messages are sent in the order of the calls. */
  last: Promise<unknown>;
}

/** Publishes topics over the current link to a relay: declares them there, and sends their messages in order. */
export class TopicPublisher {
  readonly #topics = new Map<string, Declared>();
  #mode: ModeState = initialMode(performance.now());
  #adaptedAt = -Infinity;
  #clockSentAt = -Infinity;

  /** @param connected resolves with the link, which is opened if there is none. */
  constructor(
    private readonly state: RoomState,
    private readonly clock: FleetClock,
    private readonly connected: () => Promise<RelayLink>,
  ) {}

  /** The channel of adaptive topics now. */
  get adaptiveChannel(): AdaptiveChannel {
    return this.#mode.channel;
  }

  /** Declares every topic on the current link. */
  async declareAll(): Promise<void> {
    await Promise.all([...this.#topics].map(([topic, declared]) => this.#declaredOn(topic, declared)));
  }

  /** See RoomMetadata.publish. */
  async publish(topic: string, data: MetadataData, options: PublishMetadataOptions): Promise<boolean> {
    const { mode = 'adaptive', retain = false } = options;
    const declared = this.#declare(topic, mode, retain);
    const bytes = bytesOf(data);
    if (declared.waiting >= maxWaiting) {
      if (mode !== 'reliable') return false;
      throw new FlotillaError('RATE_LIMITED', `${maxWaiting} messages on ${topic} wait to be sent`);
    }
    declared.waiting++;
    const calledAt = performance.now();
    const sent = declared.last.then(() => this.#send(topic, declared, bytes, calledAt, options));
    declared.last = sent.catch(() => undefined);
    return sent.finally(() => declared.waiting--);
  }

  async #send(
    topic: string,
    declared: Declared,
    bytes: Uint8Array,
    calledAt: number,
    { captureTime, retain = false, onProgress }: PublishMetadataOptions,
  ): Promise<boolean> {
    const { mode } = declared;
    let link = await this.#declaredOn(topic, declared);
    if (captureTime !== undefined && topic !== clockTopic) this.#sendClock();
    const channel = channelFor(mode, this.#adapt(link));
    const isLate = performance.now() - calledAt > linkWithinMs;
    if (channel !== 'reliable' && isLate && !retain) return false;
    if (channel === 'reliable') {
      if (!(await link.writable(channel))) link = await this.#declaredOn(topic, declared);
    } else if (
      link.buffered(channel) > maxBufferedBytes ||
      (channel === 'unreliable' && link.bufferedMs(channel) > maxBufferedMs)
    ) {
      return false;
    }
    const seqId = declared.nextSeqId++;
    let sent = 0;
    for (const part of split(bytes, link.maxFrameBytes - frameOverhead)) {
      const value = {
        topic,
        seqId,
        captureTime: captureTime === undefined ? 0 : captureTime * 1000,
        reliable: channel === 'reliable',
        retain,
        ...part,
      };
      if (part.index > 0 && channel === 'reliable') await link.writable(channel);
      if (!link.send(channel, encodeFrame({ body: { case: 'shard', value } }))) return false;
      sent += part.payload.length;
      onProgress?.(sent, bytes.length);
    }
    return true;
  }

  #declare(topic: string, mode: TopicMode, retain: boolean): Declared {
    const known = this.#topics.get(topic);
    if (!known) {
      const declared = { mode, retain, link: undefined, nextSeqId: 0, waiting: 0, last: Promise.resolve() };
      this.#topics.set(topic, declared);
      return declared;
    }
    // `retain` is a property of the topic: one message that sets it sets it for the following ones.
    const retained = retain || known.retain;
    if (known.mode !== mode || known.retain !== retained)
      Object.assign(known, { mode, retain: retained, link: undefined });
    return known;
  }

  async #declaredOn(topic: string, declared: Declared): Promise<RelayLink> {
    const link = await this.connected();
    if (declared.link === link) return link;
    const { mode, retain } = declared;
    await this.state.request('metadata.publish', { relayId: link.relayId, topic, mode, retain });
    declared.link = link;
    return link;
  }

  #adapt(link: RelayLink): AdaptiveChannel {
    const now = performance.now();
    if (now - this.#adaptedAt >= adaptIntervalMs) {
      this.#adaptedAt = now;
      const bufferedBytes = Math.max(link.buffered('limited'), link.buffered('unreliable'));
      this.#mode = nextMode(this.#mode, { ...(link.path ?? { rttMs: 0, loss: 0 }), bufferedBytes }, now);
    }
    return this.#mode.channel;
  }

  /** Video frames carry capture times of the local wall clock: publishes its relation to the fleet's time. */
  #sendClock(): void {
    const now = performance.now();
    if (now - this.#clockSentAt < clockIntervalMs || !this.clock.calibrated) return;
    this.#clockSentAt = now;
    this.publish(clockTopic, { wall: wallClock(), fleet: this.clock.now() }, { retain: true }).catch(() => {
      this.#clockSentAt = -Infinity;
    });
  }
}

/**
 * The clock of capture times in frames: the wall clock at the start of the page plus a monotonic clock (libwebrtc,
 * TimeMicrosToNtp). `Date.now` follows corrections of the wall clock, and so drifts away from it.
 */
const wallClock = (): number => performance.timeOrigin + performance.now();
