import type { NodeReport, NodeStats, PeerQuality } from '@flotilla/contracts';

/** The entry of `sfu:stats` that goes with a heartbeat. */
export function statsOf(report: NodeReport, peers: readonly PeerQuality[]): NodeStats {
  const { rtpCapabilities: _rtpCapabilities, ...rest } = report;
  return { ...rest, peers: [...peers] };
}
