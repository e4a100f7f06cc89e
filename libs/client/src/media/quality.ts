/** Statistics of a received stream since the previous sample. */
export interface ReceiveStats {
  /** Bits per second. */
  readonly bitrate: number;
  /** Share of lost packets, 0 to 1. */
  readonly loss: number;
  readonly jitterMs: number;
  /** Video only. */
  readonly framesPerSecond?: number | undefined;
  readonly width?: number | undefined;
  readonly height?: number | undefined;
  readonly framesDecoded?: number | undefined;
}

/** Statistics of a sent stream, all its layers together. */
export interface SendStats {
  /** Bits per second. */
  readonly bitrate: number;
  /** Share of packets that the receiver of the connection lost, 0 to 1. */
  readonly loss: number;
  readonly framesPerSecond?: number | undefined;
}

/** Statistics of the media connection. */
export interface RoomStats {
  /** Round-trip time to the SFU node, or to the other participant of a direct call, in milliseconds. */
  readonly rttMs: number | undefined;
  /** By publication id. */
  readonly received: ReadonlyMap<string, ReceiveStats>;
  /** By publication id. */
  readonly sent: ReadonlyMap<string, SendStats>;
}

/** Fields of the reports that are read (W3C webrtc-stats). */
interface Report {
  readonly id: string;
  readonly type: string;
  readonly timestamp: number;
  readonly trackIdentifier?: string;
  readonly mediaSourceId?: string;
  readonly bytesReceived?: number;
  readonly bytesSent?: number;
  readonly packetsReceived?: number;
  readonly packetsLost?: number;
  readonly jitter?: number;
  readonly framesPerSecond?: number;
  readonly framesDecoded?: number;
  readonly frameWidth?: number;
  readonly frameHeight?: number;
  readonly fractionLost?: number;
  readonly localId?: string;
  readonly currentRoundTripTime?: number;
  readonly nominated?: boolean;
}

/** A connection with the browser's statistics of both directions. */
export interface StatsSource {
  stats(): Promise<{ sent: RTCStatsReport; received: RTCStatsReport }>;
}

/** Computes rates from the browser's counters of two samples. */
export class StatsSampler {
  /** Reports of the previous sample, by report id. */
  #previous = new Map<string, Report>();

  /** @param publicationOf returns the publication id of a track id. */
  async sample(link: StatsSource, publicationOf: (trackId: string) => string | undefined): Promise<RoomStats> {
    const { sent, received } = await link.stats();
    const receivedStats = new Map<string, ReceiveStats>();
    const sentStats = new Map<string, SendStats>();
    const sampled = new Map<string, Report>();
    let rttMs: number | undefined;
    const reports = (from: RTCStatsReport): Report[] => [...(from as unknown as Map<string, Report>).values()];

    for (const report of reports(received)) {
      if (report.type !== 'inbound-rtp') continue;
      const publicationId = publicationOf(report.trackIdentifier ?? '');
      if (publicationId === undefined) continue;
      const rate = this.#rate(report);
      const { jitter = 0, framesPerSecond, frameWidth: width, frameHeight: height, framesDecoded } = report;
      const packets = rate('packetsReceived');
      const lost = Math.max(0, rate('packetsLost'));
      sampled.set(report.id, report);
      // Rates need two samples.
      if (!this.#previous.has(report.id)) continue;
      receivedStats.set(publicationId, {
        bitrate: rate('bytesReceived') * 8,
        loss: lost / Math.max(packets + lost, 1e-9),
        jitterMs: jitter * 1000,
        framesPerSecond,
        width,
        height,
        framesDecoded,
      });
    }

    const sending = reports(sent);
    const tracks = new Map(
      sending
        .filter(({ type }) => type === 'media-source')
        .map(({ id, trackIdentifier }) => [id, trackIdentifier ?? '']),
    );
    const remote = new Map(
      sending.filter(({ type }) => type === 'remote-inbound-rtp').map((report) => [report.localId, report]),
    );
    for (const report of sending) {
      if (report.type === 'candidate-pair' && report.nominated && report.currentRoundTripTime !== undefined)
        rttMs = report.currentRoundTripTime * 1000;
      if (report.type !== 'outbound-rtp') continue;
      const publicationId = publicationOf(tracks.get(report.mediaSourceId ?? '') ?? '');
      if (publicationId === undefined) continue;
      const layers = sentStats.get(publicationId);
      sentStats.set(publicationId, {
        bitrate: (layers?.bitrate ?? 0) + this.#rate(report)('bytesSent') * 8,
        loss: Math.max(layers?.loss ?? 0, remote.get(report.id)?.fractionLost ?? 0),
        framesPerSecond: Math.max(layers?.framesPerSecond ?? 0, report.framesPerSecond ?? 0),
      });
      sampled.set(report.id, report);
    }
    this.#previous = sampled;
    if (rttMs === undefined) {
      const pair = reports(received).find(
        ({ type, nominated, currentRoundTripTime }) =>
          type === 'candidate-pair' && nominated && currentRoundTripTime !== undefined,
      );
      rttMs = pair && pair.currentRoundTripTime! * 1000;
    }
    return { rttMs, received: receivedStats, sent: sentStats };
  }

  /** Increase of a counter per second since the previous sample; 0 at the first. */
  #rate(report: Report): (key: 'bytesReceived' | 'bytesSent' | 'packetsReceived' | 'packetsLost') => number {
    const previous = this.#previous.get(report.id);
    const seconds = previous ? (report.timestamp - previous.timestamp) / 1000 : 0;
    return (key) => (previous && seconds > 0 ? ((report[key] ?? 0) - (previous[key] ?? 0)) / seconds : 0);
  }
}

/**
 * Quality from 1 (bad) to 4 (good), from the fleet's score `1 - (0.4 loss + 0.3 min(rtt/500, 1) + 0.3 min(jitter/100, 1))`,
 * with loss scaled so that 10 % counts as the maximum.
 */
export function qualityLevel(stats: Pick<ReceiveStats, 'loss' | 'jitterMs'>, rttMs = 0): number {
  const score =
    1 - (0.4 * Math.min(stats.loss * 10, 1) + 0.3 * Math.min(rttMs / 500, 1) + 0.3 * Math.min(stats.jitterMs / 100, 1));
  if (score >= 0.85) return 4;
  if (score >= 0.7) return 3;
  if (score >= 0.5) return 2;
  return 1;
}
