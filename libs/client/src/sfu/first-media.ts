import type { Consumer } from 'mediasoup-client/types';

const pollIntervalMs = 20;
/** The statistics take the browser's main thread at most this share of the time: in a large call, many wait for media at once. */
const statisticsShare = 0.25;
/** A stream without packets for this long, such as that of a muted microphone, is taken over as it is; in milliseconds. */
const defaultTimeoutMs = 3000;
/** Frames and time that a new video is given to reach a steady rate while the previous one still plays. */
const steady = { frames: 5, ms: 700 } as const;
/** Without packets for this long a stream counts as stalled: it is lost, or a screen that does not change. In milliseconds. */
const stalledMs = 300;

/** What a consumer receives, by its statistics. */
class Reception {
  frames = 0;
  #packets = 0;
  #lastPacketAt = performance.now();

  constructor(readonly consumer: Consumer) {}

  get hasPackets(): boolean {
    return this.#packets > 0;
  }

  get isStalled(): boolean {
    return this.consumer.closed || performance.now() - this.#lastPacketAt > stalledMs;
  }

  async update(): Promise<void> {
    const stats = await this.consumer.getStats().catch(() => undefined);
    for (const report of stats?.values() ?? []) {
      const { type, framesDecoded = 0, packetsReceived = 0 } = report as RTCInboundRtpStreamStats;
      if (type !== 'inbound-rtp') continue;
      if (packetsReceived > this.#packets) this.#lastPacketAt = performance.now();
      this.frames = framesDecoded;
      this.#packets = packetsReceived;
    }
  }
}

/**
 * Resolves to true when a consumer has media to play: a packet of audio, or a decoded frame. When it replaces a consumer
 * that still plays, it is given time to reach a steady rate: a browser shows the first frame at once and then fills its
 * buffer, and the following frames may depend on one that was lost. False when nothing arrived in time.
 */
export async function firstMedia(
  consumer: Consumer,
  options: {
    readonly signal?: AbortSignal;
    readonly timeoutMs?: number;
    /** The consumer that it replaces. */
    readonly previous?: Consumer | undefined;
    /** Whether it is still waited for. Default: until the time is over. */
    readonly isNeeded?: () => boolean;
  } = {},
): Promise<boolean> {
  const { signal, timeoutMs = defaultTimeoutMs, isNeeded = () => true } = options;
  const deadline = performance.now() + timeoutMs;
  const isOpen = (): boolean =>
    !consumer.closed && signal?.aborted !== true && performance.now() < deadline && isNeeded();
  const reception = new Reception(consumer);
  const previous = options.previous && new Reception(options.previous);
  let firstFrameAt: number | undefined;
  while (isOpen()) {
    const askedAt = performance.now();
    await Promise.all([reception.update(), previous?.update()]);
    const tookMs = performance.now() - askedAt;
    if (consumer.kind === 'audio' && reception.hasPackets) return true;
    if (reception.frames > 0) {
      firstFrameAt ??= performance.now();
      const isSteady = reception.frames >= steady.frames && performance.now() - firstFrameAt >= steady.ms;
      if (isSteady || reception.isStalled || !previous || previous.isStalled) return true;
    }
    const pauseMs = Math.max(pollIntervalMs, tookMs / statisticsShare - tookMs);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  return firstFrameAt !== undefined;
}
