import { counter } from '@flotilla/runtime';

const rejected = counter({
  name: 'signaling_rejected_total',
  help: 'Connections and requests refused because of a limit or a missing permission, by reason.',
  labelNames: ['what', 'reason'],
});

/** Counts a refusal, of a WebSocket or of a request over one. */
export function countRejection(what: 'connection' | 'request', reason: string): void {
  rejected.inc({ what, reason });
}
