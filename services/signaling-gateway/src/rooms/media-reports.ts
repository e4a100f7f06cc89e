import type { MediaReport } from '@flotilla/contracts';
import { histogram } from '@flotilla/runtime';
import type { Membership } from '../sessions/session.ts';

const seconds = {
  first_frame: histogram({
    name: 'signaling_first_frame_seconds',
    help: 'From the beginning of a connection to the first decoded frame of a video of the room, as the client measured it.',
    buckets: [0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10],
  }),
  recovery: histogram({
    name: 'signaling_media_recovery_seconds',
    help: 'From the last packet before the loss of a node or worker until media arrived again, as the client measured it.',
    buckets: [0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30],
  }),
};

/**
 * Counts what a client measured. A join allows one report of a first frame, and opening media again one of a recovery, so that
 * a client cannot move the figures of the fleet by more than its joins. Any other report is ignored.
 */
export function observeMediaReport({ reports }: Membership, { measure, ms }: MediaReport): void {
  if (reports?.delete(measure)) seconds[measure].observe(ms / 1000);
}
