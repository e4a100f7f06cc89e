import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { Exchange } from '../sync/sample.ts';
import { type Answer, readAnswer } from './answer.ts';
import { decodePacket, encodePacket, mode } from './packet.ts';

/** The UDP address of an NTP server. */
export interface QueryTarget {
  /** An IP address. */
  readonly address: string;
  readonly port: number;
}

export type QueryResult =
  | { readonly kind: 'time'; readonly exchange: Exchange }
  | Exclude<Answer, { kind: 'time' }>
  /** No valid response within the timeout, or the port is unreachable. */
  | { readonly kind: 'timeout' };

/**
 * Sends one NTP request, from an ephemeral port (RFC 9109) and with 64 random bits as its transmit timestamp, which a response must
 * echo; other packets are ignored. Local times are those of `performance.now`. Never rejects.
 */
export function queryOnce(target: QueryTarget, timeoutMs: number, signal?: AbortSignal): Promise<QueryResult> {
  return new Promise((resolve) => {
    const nonce = randomBytes(8).readBigUInt64BE();
    const socket = createSocket(isIPv6(target.address) ? 'udp6' : 'udp4');
    const giveUp = (): void => finish({ kind: 'timeout' });
    const timer = setTimeout(giveUp, timeoutMs);
    let done = false;
    let t1 = 0;
    function finish(result: QueryResult): void {
      if (done) return;
      done = true;
      clearTimeout(timer);
      signal?.removeEventListener('abort', giveUp);
      socket.close();
      resolve(result);
    }
    socket.on('error', giveUp);
    socket.on('message', (bytes) => {
      const t4 = performance.now();
      const packet = decodePacket(bytes);
      const answer = packet && readAnswer(packet, nonce, Date.now());
      if (answer?.kind === 'time') finish({ kind: 'time', exchange: exchangeOf(t1, answer, t4) });
      else if (answer) finish(answer);
    });
    socket.on('connect', () => {
      if (done) return;
      const request = encodeRequest(nonce);
      t1 = performance.now();
      socket.send(request, (error) => error && giveUp());
    });
    signal?.addEventListener('abort', giveUp);
    if (signal?.aborted) return giveUp();
    // A connected socket: the kernel drops datagrams from other addresses and reports ICMP port unreachable.
    socket.connect(target.port, target.address);
  });
}

function exchangeOf(t1: number, { kind: _, ...answer }: Extract<Answer, { kind: 'time' }>, t4: number): Exchange {
  return { t1, ...answer, t4 };
}

/** All fields but version and nonce are zero: they would disclose the state of this host (RFC 9109). */
function encodeRequest(nonce: bigint): Uint8Array {
  return encodePacket({
    leap: 0,
    version: 4,
    mode: mode.client,
    stratum: 0,
    poll: 0,
    precision: 0,
    rootDelayMs: 0,
    rootDispersionMs: 0,
    referenceId: 0,
    reference: 0n,
    origin: 0n,
    receive: 0n,
    transmit: nonce,
  });
}
