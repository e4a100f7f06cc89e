import { counter } from '@flotilla/runtime';

const rejected = counter({
  name: 'signaling_rejected_total',
  help: 'Connections and requests refused because of a limit or a missing permission, by reason.',
  labelNames: ['what', 'reason'],
});

/** Counts a refusal. `what` is `connection` or `request`. */
export function countRejection(what: 'connection' | 'request', reason: string): void {
  rejected.inc({ what, reason });
}
