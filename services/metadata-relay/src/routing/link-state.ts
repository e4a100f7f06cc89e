import type { ChannelKind, LinkReport, TopicMode } from '@flotilla/contracts';
import { channelFor, initialMode, type LinkMeasurement, type ModeState, nextMode } from '@flotilla/data-channel';
import { TokenBucket, type TraceCarrier } from '@flotilla/runtime';
import { OutgoingChannel } from './outgoing-channel.ts';

/** Limits on the frames that a client may send. Bursts of twice the rate are allowed. */
export interface LinkLimits {
  readonly framesPerSecond: number;
  readonly bytesPerSecond: number;
}

/** Lifetime of a client's report: a client sends none while its link is good. */
const reportLifetimeMs = 5000;
/** Tolerated invalid frames per link, as burst and rate; above it the link is closed. */
const maxInvalidFrameBurst = 200;
const invalidFramesPerSecond = 20;

/** Routing state of a client's link. */
export class LinkState {
  readonly channels: Readonly<Record<ChannelKind, OutgoingChannel>> = {
    reliable: new OutgoingChannel('reliable'),
    limited: new OutgoingChannel('limited'),
    unreliable: new OutgoingChannel('unreliable'),
  };
  /** Names of the topics that the client has declared. */
  readonly declared = new Set<string>();
  /** Traces of declarations by topic, until the first frame of the topic continues them. */
  readonly traces = new Map<string, TraceCarrier>();
  /** Names of the topics that the client has subscribed to, whether they exist or not. */
  readonly subscribed = new Set<string>();
  subscribedToAll = false;
  /** Whether its data channels are open. */
  ready = false;
  readonly #frames: TokenBucket;
  readonly #bytes: TokenBucket;
  readonly #invalidFrames: TokenBucket;
  #mode: ModeState;
  #report: { readonly loss: number; readonly rttMs: number; readonly at: number } | undefined;

  constructor(
    readonly id: string,
    readonly publisherId: string,
    readonly userId: string,
    limits: LinkLimits,
    /** What it sent of the room's budget. */
    readonly spent: TokenBucket,
    now: number,
  ) {
    this.#frames = new TokenBucket(limits.framesPerSecond, 2 * limits.framesPerSecond, now);
    this.#bytes = new TokenBucket(limits.bytesPerSecond, 2 * limits.bytesPerSecond, now);
    this.#invalidFrames = new TokenBucket(invalidFramesPerSecond, maxInvalidFrameBurst, now);
    this.#mode = initialMode(now);
  }

  /** Whether a frame of this length is within the client's rate. */
  admits(bytes: number, now: number): boolean {
    return this.#frames.take(now) && this.#bytes.take(now, bytes);
  }

  /** Records an invalid frame. Returns whether the number of invalid frames is still tolerated. */
  tolerates(now: number): boolean {
    return this.#invalidFrames.take(now);
  }

  isSubscribedTo(name: string): boolean {
    return this.subscribedToAll || this.subscribed.has(name);
  }

  /** The channel over which the client gets topics of a mode. */
  channelFor(mode: TopicMode): ChannelKind {
    return channelFor(mode, this.#mode.channel);
  }

  report({ loss, rttMs }: LinkReport, now: number): void {
    this.#report = { loss, rttMs, at: now };
  }

  /** Re-evaluates the link. Returns the new channel of adaptive topics, or undefined when it stays. */
  adapt(now: number): ChannelKind | undefined {
    const fresh = this.#report && now - this.#report.at < reportLifetimeMs ? this.#report : undefined;
    const link: LinkMeasurement = {
      loss: fresh?.loss ?? 0,
      rttMs: fresh?.rttMs ?? 0,
      bufferedBytes: this.channels[this.#mode.channel].maxBuffered,
    };
    const before = this.#mode.channel;
    this.#mode = nextMode(this.#mode, link, now);
    return this.#mode.channel === before ? undefined : this.#mode.channel;
  }
}
