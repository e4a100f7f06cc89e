import type { PacketResult, ReceiverReport } from './port.ts';

/** Results of packets that one feedback may carry. More are ignored: a feedback packet of 1,200 bytes has fewer. */
export const maxPacketsPerFeedback = 2000;
/** The largest UDP datagram. */
const maxPacketBytes = 65_535;
/** Round-trip times and jitters above count as this, in milliseconds. */
const maxDelayMs = 10_000;
/** Times beyond are not used, in milliseconds: sums and differences stay exact. */
const maxTimeMs = 2 ** 50;

const isTime = (value: number): boolean => value >= -maxTimeMs && value <= maxTimeMs;
const clamp = (value: number, max: number): number => (value > 0 ? Math.min(value, max) : 0);

/** The results that are usable, at most `maxPacketsPerFeedback`. */
export function usablePackets(packets: readonly PacketResult[]): PacketResult[] {
  const usable: PacketResult[] = [];
  for (const packet of packets.slice(0, maxPacketsPerFeedback)) {
    const { sentAtMs, arrivedAtMs, bytes } = packet;
    if (!isTime(sentAtMs) || (arrivedAtMs !== undefined && !isTime(arrivedAtMs))) continue;
    if (bytes > 0 && bytes <= maxPacketBytes) usable.push(packet);
  }
  return usable;
}

/** The report with each value in its range. A round-trip time that is no positive number is unknown. */
export function usableReport({ fractionLost, jitterMs, rttMs, sentBitrate }: ReceiverReport): ReceiverReport {
  return {
    kind: 'report',
    fractionLost: clamp(fractionLost, 1),
    jitterMs: clamp(jitterMs, maxDelayMs),
    rttMs: rttMs !== undefined && rttMs > 0 ? Math.min(rttMs, maxDelayMs) : undefined,
    sentBitrate: clamp(sentBitrate, 1e12),
  };
}
