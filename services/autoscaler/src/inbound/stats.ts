import { type EventLog, type StreamSubscription, nodeStream } from '@flotilla/bus';
import { NodeLoad, NodeStats, PeerQuality } from '@flotilla/contracts';
import { z } from 'zod';
import type { NodeSigns } from '../fleet-view.ts';

/** Of a NodeStats only what the planner reads: nodes of other versions than this one may report more, or no peers. */
const Signs = z.object({
  ...NodeStats.pick({ id: true, capacity: true }).shape,
  load: NodeLoad.pick({ cpu: true }),
  peers: z
    .array(PeerQuality.pick({ roomId: true, sessionId: true, score: true, rttMs: true, baselineRttMs: true }))
    .default([]),
});

/**
 * Follows what nodes report from now on. What can't be read is passed over.
 *
 * @param onReports gets the reports of a batch, those that arrived together.
 */
export async function followStats(
  events: EventLog,
  onReports: (reports: NodeSigns[]) => void,
): Promise<StreamSubscription> {
  return events.subscribe(nodeStream, await events.lastOffset(nodeStream), (entries) => {
    const reports = entries.flatMap(({ data }) => {
      const report = Signs.safeParse(JSON.parse(data));
      return report.success ? [report.data] : [];
    });
    if (reports.length > 0) onReports(reports);
  });
}
