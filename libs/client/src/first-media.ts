import type { Consumer } from 'mediasoup-client/types';

const lookEveryMs = 20;
/** What is silent for this long, as a muted microphone is, is taken over as it is. */
const waitAtMostMs = 3000;

/** Resolves to true when a consumer has something to show or to be heard: a decoded frame, or a packet of sound. */
export async function firstMedia(
  consumer: Consumer,
  { signal, withinMs = waitAtMostMs }: { signal?: AbortSignal; withinMs?: number } = {},
): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  const goesOn = (): boolean => !consumer.closed && signal?.aborted !== true && performance.now() < deadline;
  while (goesOn()) {
    const stats = await consumer.getStats().catch(() => undefined);
    for (const report of stats?.values() ?? []) {
      const { type, framesDecoded, packetsReceived } = report as RTCInboundRtpStreamStats;
      if (type === 'inbound-rtp' && (consumer.kind === 'video' ? framesDecoded : packetsReceived)) return true;
    }
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
  }
  return false;
}
