import { type EventLog, type Following, nodeStream } from '@flotilla/bus';
import { NodeStats } from '@flotilla/contracts';

/** A node of a version that does not report its peers yet reports itself. */
const Report = NodeStats.extend({ peers: NodeStats.shape.peers.default([]) });

/**
 * Follows what nodes report from now on. What can't be read comes from a newer node and is passed over.
 *
 * @param onReports gets the reports of a batch, those that arrived together.
 */
export async function followStats(events: EventLog, onReports: (reports: NodeStats[]) => void): Promise<Following> {
  return events.follow(nodeStream, await events.lastOffset(nodeStream), (entries) => {
    const reports = entries.flatMap(({ data }) => {
      const report = Report.safeParse(JSON.parse(data));
      return report.success ? [report.data] : [];
    });
    if (reports.length > 0) onReports(reports);
  });
}
