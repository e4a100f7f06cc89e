import type { ChannelKind, LinkReport, TopicMode } from '@flotilla/contracts';
import { channelFor, initialMode, type LinkMeasurement, type ModeState, nextMode } from '@flotilla/data-channel';
import { TokenBucket } from '@flotilla/runtime';
import { OutgoingChannel } from './outgoing-channel.ts';

/** What one link may send. */
export interface LinkLimits {
  /** A second; twice as many at once. */
  readonly framesPerSecond: number;
  readonly bytesPerSecond: number;
}

/** A report counts for this long: a client whose link is fine sends none. */
const reportLastsMs = 5000;
/** Frames that may not be sent, at once and a second, before the link is given up. */
const badFramesAtOnce = 200;
const badFramesPerSecond = 20;

/** A client's link, as routing sees it. */
export class LinkState {
  readonly channels: Readonly<Record<ChannelKind, OutgoingChannel>> = {
    reliable: new OutgoingChannel('reliable'),
    limited: new OutgoingChannel('limited'),
    unreliable: new OutgoingChannel('unreliable'),
  };
  /** Topics it declared, and those it receives or would. */
  readonly publishes = new Set<string>();
  readonly wants = new Set<string>();
  wantsAll = false;
  /** Its data channels are open. */
  ready = false;
  readonly #frames: TokenBucket;
  readonly #bytes: TokenBucket;
  readonly #badFrames: TokenBucket;
  #mode: ModeState;
  #report: { readonly loss: number; readonly rttMs: number; readonly at: number } | undefined;

  constructor(
    readonly id: string,
    readonly publisherId: string,
    limits: LinkLimits,
    now: number,
  ) {
    this.#frames = new TokenBucket(limits.framesPerSecond, 2 * limits.framesPerSecond, now);
    this.#bytes = new TokenBucket(limits.bytesPerSecond, 2 * limits.bytesPerSecond, now);
    this.#badFrames = new TokenBucket(badFramesPerSecond, badFramesAtOnce, now);
    this.#mode = initialMode(now);
  }

  /** Whether it may send a frame of this length now. */
  mayReceive(bytes: number, now: number): boolean {
    return this.#frames.take(now) && this.#bytes.take(now, bytes);
  }

  /** It sent what it may not. False when it did so too often. */
  forgive(now: number): boolean {
    return this.#badFrames.take(now);
  }

  wantsTopic(name: string): boolean {
    return this.wantsAll || this.wants.has(name);
  }

  channelFor(mode: TopicMode): ChannelKind {
    return channelFor(mode, this.#mode.channel);
  }

  report({ loss, rttMs }: LinkReport, now: number): void {
    this.#report = { loss, rttMs, at: now };
  }

  /** Looks at the link again. The channel of adaptive topics when it changed. */
  adapt(now: number): ChannelKind | undefined {
    const fresh = this.#report && now - this.#report.at < reportLastsMs ? this.#report : undefined;
    const link: LinkMeasurement = {
      loss: fresh?.loss ?? 0,
      rttMs: fresh?.rttMs ?? 0,
      bufferedBytes: this.channels[this.#mode.channel].atMost,
    };
    const before = this.#mode.channel;
    this.#mode = nextMode(this.#mode, link, now);
    return this.#mode.channel === before ? undefined : this.#mode.channel;
  }
}
