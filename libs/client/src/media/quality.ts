/** How one received stream does, since the sample before. */
export interface ReceiveStats {
  /** Bits per second. */
  readonly bitrate: number;
  /** Share of packets that did not arrive, 0 to 1. */
  readonly loss: number;
  readonly jitterMs: number;
  /** Video only. */
  readonly framesPerSecond?: number | undefined;
  readonly width?: number | undefined;
  readonly height?: number | undefined;
  readonly framesDecoded?: number | undefined;
}

/** How one sent stream does, all its layers together. */
export interface SendStats {
  readonly bitrate: number;
  /** Share of packets the node did not get, 0 to 1. */
  readonly loss: number;
  readonly framesPerSecond?: number | undefined;
}

/** A snapshot of the call's connection. */
export interface RoomStats {
  /** To the SFU node and back, in milliseconds. */
  readonly rttMs: number | undefined;
  /** By id of the publication. */
  readonly received: ReadonlyMap<string, ReceiveStats>;
  readonly sent: ReadonlyMap<string, SendStats>;
}

/** The fields that are read, of whichever report they come from (W3C webrtc-stats). */
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

/** What can be asked for the browser's statistics of both directions. */
export interface StatsSource {
  stats(): Promise<{ sent: RTCStatsReport; received: RTCStatsReport }>;
}

/** Turns the browser's running totals into rates, by remembering the sample before. */
export class StatsSampler {
  readonly #before = new Map<string, Report>();

  /** `publicationOf` names the publication of a track, by the track's id. */
  async sample(link: StatsSource, publicationOf: (trackId: string) => string | undefined): Promise<RoomStats> {
    const { sent, received } = await link.stats();
    const receivedStats = new Map<string, ReceiveStats>();
    const sentStats = new Map<string, SendStats>();
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
      const known = this.#before.has(report.id);
      this.#before.set(report.id, report);
      // Rates need two samples.
      if (!known) continue;
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
      this.#before.set(report.id, report);
    }
    if (rttMs === undefined) {
      const pair = reports(received).find(
        ({ type, nominated, currentRoundTripTime }) =>
          type === 'candidate-pair' && nominated && currentRoundTripTime !== undefined,
      );
      rttMs = pair && pair.currentRoundTripTime! * 1000;
    }
    return { rttMs, received: receivedStats, sent: sentStats };
  }

  /** Change of a total per second since the sample before; 0 at the first. */
  #rate(report: Report): (key: 'bytesReceived' | 'bytesSent' | 'packetsReceived' | 'packetsLost') => number {
    const before = this.#before.get(report.id);
    const seconds = before ? (report.timestamp - before.timestamp) / 1000 : 0;
    return (key) => (before && seconds > 0 ? ((report[key] ?? 0) - (before[key] ?? 0)) / seconds : 0);
  }
}

/**
 * From 1 (bad) to 4 (good): the fleet's quality score `1 - (0.4 loss + 0.3 min(rtt/500, 1) + 0.3 min(jitter/100, 1))`, in
 * steps that a person can tell apart. Loss weighs by the tenth here: at 10 % a call is bad.
 */
export function qualityLevel(stats: Pick<ReceiveStats, 'loss' | 'jitterMs'>, rttMs = 0): number {
  const score =
    1 - (0.4 * Math.min(stats.loss * 10, 1) + 0.3 * Math.min(rttMs / 500, 1) + 0.3 * Math.min(stats.jitterMs / 100, 1));
  if (score >= 0.85) return 4;
  if (score >= 0.7) return 3;
  if (score >= 0.5) return 2;
  return 1;
}
