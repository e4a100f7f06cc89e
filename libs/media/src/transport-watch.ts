import type { DisconnectReason } from '@flotilla/contracts';
import type { WebRtcTransport } from 'mediasoup/types';

/** Time from `connect_transport` after which a transport without DTLS is reported, ms. */
const connectWithinMs = 30_000;
/** Time for which a transport must be disconnected before it is reported, ms: a session that leaves is closed within it. */
const reportAfterMs = 2000;

/**
 * Reports a transport that its client does not use any more, for clients that cannot say so by signaling. An ICE connection is
 * lost when the client has sent no STUN request for mediasoup's `iceConsentTimeout`, 30 s.
 */
export class TransportWatch {
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(
    private readonly transport: WebRtcTransport,
    private readonly report: (transportId: string, reason: DisconnectReason) => void,
  ) {
    transport.on('icestatechange', (state) => {
      if (state === 'disconnected')
        this.#reportIf('consent_expired', reportAfterMs, () => transport.iceState === 'disconnected');
    });
    transport.on('dtlsstatechange', (state) => {
      if (state === 'closed' || state === 'failed') this.#reportIf('dtls_closed', reportAfterMs, () => true);
    });
  }

  /** The client's DTLS parameters were set: from now on it is expected to connect. */
  expectConnection(): void {
    this.#reportIf('not_connected', connectWithinMs, () => ['new', 'connecting'].includes(this.transport.dtlsState));
  }

  #reportIf(reason: DisconnectReason, afterMs: number, isSo: () => boolean): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      if (!this.transport.closed && isSo()) this.report(this.transport.id, reason);
    }, afterMs);
    this.#timers.add(timer);
  }

  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }
}
