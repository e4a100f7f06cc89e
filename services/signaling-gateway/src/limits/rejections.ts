import { counter } from '@flotilla/runtime';

const rejected = counter({
  name: 'signaling_rejected_total',
  help: 'Connections, requests and plain HTTP requests refused because of a limit or a missing permission, by reason.',
  labelNames: ['what', 'reason'],
});

/** Counts a refusal, of a WebSocket, of a request over one, or of a plain HTTP request. */
export function countRejection(what: 'connection' | 'request' | 'http', reason: string): void {
  rejected.inc({ what, reason });
}
