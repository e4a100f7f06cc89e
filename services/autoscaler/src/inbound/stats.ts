import { entryValue, type EventLog, nodeStream, type StreamSubscription } from '@flotilla/bus';
import { NodeLoad, NodeStats, PeerQuality, WorkerLoad } from '@flotilla/contracts';
import { z } from 'zod';
import type { SampledReport } from '../canary/samples.ts';
import type { PlannerReport } from '../fleet-view.ts';

/** The fields of NodeStats that the planner and the canary read. Nodes of other versions may report more fields, or no peers. */
const PlannerReport = z.object({
  ...NodeStats.pick({ id: true, capacity: true, address: true, revision: true }).shape,
  load: NodeLoad.pick({ cpu: true }).extend({
    workers: z.array(WorkerLoad.pick({ pid: true, cpu: true })).default([]),
  }),
  peers: z
    .array(
      PeerQuality.pick({
        roomId: true,
        sessionId: true,
        worker: true,
        score: true,
        loss: true,
        rttMs: true,
        baselineRttMs: true,
      }),
    )
    .default([]),
});

/**
 * Subscribes to the nodes' reports from now on. Skips reports that it cannot parse.
 *
 * @param onReports called with the reports of one batch, which arrived together.
 */
export async function subscribeToStats(
  events: EventLog,
  onReports: (reports: (PlannerReport & SampledReport)[]) => void,
): Promise<StreamSubscription> {
  return events.subscribe(nodeStream, await events.lastOffset(nodeStream), (entries) => {
    const reports = entries.flatMap(({ data }) => {
      const report = PlannerReport.safeParse(entryValue(data));
      return report.success ? [report.data] : [];
    });
    if (reports.length > 0) onReports(reports);
  });
}
