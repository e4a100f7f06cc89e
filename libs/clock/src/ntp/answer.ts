import { maxDistanceMs } from '../sync/sample.ts';
import { mode, type NtpPacket, timestampToUnixMs } from './packet.ts';

/** The content of a valid NTP response. */
export type Answer =
  | {
      readonly kind: 'time';
      /** Receive time of the request and transmit time of the response, by the server's clock, in ms since the Unix epoch. */
      readonly t2: number;
      readonly t3: number;
      readonly rootDelayMs: number;
      readonly rootDispersionMs: number;
    }
  /** Kiss-o'-death (RFC 5905, section 7.4), such as RATE or DENY. */
  | { readonly kind: 'kiss'; readonly code: string }
  /** The server is not synchronised, or its timestamps are unset. */
  | { readonly kind: 'unsynchronised' };

/**
 * Applies the packet tests of RFC 5905, section 8 and appendix A.5.1. Undefined for a packet that does not answer the request
 * whose transmit timestamp is `nonce`: off-path forgeries, duplicates and late responses. `nearMs` (Unix epoch) picks the NTP era.
 */
export function readAnswer(packet: NtpPacket, nonce: bigint, nearMs: number): Answer | undefined {
  if (packet.mode !== mode.server || packet.origin !== nonce) return undefined;
  if (packet.version < 3 || packet.version > 4) return undefined;
  if (packet.stratum === 0) return { kind: 'kiss', code: kissCode(packet.referenceId) };
  const rootMs = packet.rootDelayMs / 2 + packet.rootDispersionMs;
  if (packet.leap === 3 || packet.stratum > 15 || rootMs >= maxDistanceMs) return { kind: 'unsynchronised' };
  if (packet.receive === 0n || packet.transmit === 0n) return { kind: 'unsynchronised' };
  return {
    kind: 'time',
    t2: timestampToUnixMs(packet.receive, nearMs),
    t3: timestampToUnixMs(packet.transmit, nearMs),
    rootDelayMs: packet.rootDelayMs,
    rootDispersionMs: packet.rootDispersionMs + 1000 * 2 ** Math.min(packet.precision, 0),
  };
}

/** The letters and digits of a kiss code. Other bytes are removed, because the code is logged. */
function kissCode(referenceId: number): string {
  const bytes = [24, 16, 8, 0].map((shift) => (referenceId >>> shift) & 0xff);
  return String.fromCharCode(...bytes).replaceAll(/[^A-Za-z0-9]/g, '');
}
