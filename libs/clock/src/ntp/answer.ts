import { maxDistanceMs } from '../sync/sample.ts';
import { mode, type NtpPacket, timestampToUnixMs } from './packet.ts';

/** What a server said. */
export type Answer =
  | {
      readonly kind: 'time';
      /** When the request came and the answer left, in ms since the Unix epoch. */
      readonly t2: number;
      readonly t3: number;
      readonly rootDelayMs: number;
      readonly rootDispersionMs: number;
    }
  /** Kiss-o'-death (RFC 5905, section 7.4), such as RATE or DENY. */
  | { readonly kind: 'kiss'; readonly code: string }
  /** It has no time, or says so. */
  | { readonly kind: 'unsynchronised' };

/**
 * The packet tests of RFC 5905, section 8 and appendix A.5.1. Undefined for what is no answer to the request with this
 * transmit timestamp, which nobody can know who did not see it: forgeries, and answers that come twice or too late.
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

/** Letters and digits of the code; what is neither is cut out, as it is written to the log. */
function kissCode(referenceId: number): string {
  const bytes = [24, 16, 8, 0].map((shift) => (referenceId >>> shift) & 0xff);
  return String.fromCharCode(...bytes).replaceAll(/[^A-Za-z0-9]/g, '');
}
