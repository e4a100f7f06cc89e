import type { Consumer } from 'mediasoup-client/types';

const lookEveryMs = 20;
/** What is silent for this long, as a muted microphone is, is taken over as it is. */
const waitAtMostMs = 3000;
/** While what it takes the place of goes on, a picture is given so many frames and so long to find its pace. */
const settled = { frames: 5, ms: 700 } as const;
/** Nothing came for so long: a stream that is lost, or a screen that stands still. In milliseconds. */
const stillMs = 300;

/** A consumer's stream, looked at again and again. */
class Watched {
  frames = 0;
  #packets = 0;
  #cameAt = performance.now();

  constructor(readonly consumer: Consumer) {}

  get heard(): boolean {
    return this.#packets > 0;
  }

  get isStill(): boolean {
    return this.consumer.closed || performance.now() - this.#cameAt > stillMs;
  }

  async look(): Promise<void> {
    const stats = await this.consumer.getStats().catch(() => undefined);
    for (const report of stats?.values() ?? []) {
      const { type, framesDecoded = 0, packetsReceived = 0 } = report as RTCInboundRtpStreamStats;
      if (type !== 'inbound-rtp') continue;
      if (packetsReceived > this.#packets) this.#cameAt = performance.now();
      this.frames = framesDecoded;
      this.#packets = packetsReceived;
    }
  }
}

/**
 * Resolves to true when what a consumer receives can be shown or heard: a packet of sound, a decoded frame. In place of a picture that
 * still goes on it has time to find its pace: a browser shows the first frame at once and then fills its buffer, and the frames
 * after it may need one that was lost. False when there is nothing in time.
 */
export async function firstMedia(
  consumer: Consumer,
  options: {
    readonly signal?: AbortSignal;
    readonly withinMs?: number;
    readonly inPlaceOf?: Consumer | undefined;
  } = {},
): Promise<boolean> {
  const { signal, withinMs = waitAtMostMs, inPlaceOf } = options;
  const deadline = performance.now() + withinMs;
  const goesOn = (): boolean => !consumer.closed && signal?.aborted !== true && performance.now() < deadline;
  const stream = new Watched(consumer);
  const former = inPlaceOf && new Watched(inPlaceOf);
  let firstAt: number | undefined;
  while (goesOn()) {
    await Promise.all([stream.look(), former?.look()]);
    if (consumer.kind === 'audio' && stream.heard) return true;
    if (stream.frames > 0) {
      firstAt ??= performance.now();
      const hasPace = stream.frames >= settled.frames && performance.now() - firstAt >= settled.ms;
      if (hasPace || stream.isStill || !former || former.isStill) return true;
    }
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
  }
  return firstAt !== undefined;
}
