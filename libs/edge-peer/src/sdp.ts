import type { DtlsParameters, TransportParameters } from '@flotilla/contracts';

/** Mid of the only media section. */
export const mid = '0';
/** Payload type in the SDP. RTP packets are passed through with any payload type. */
export const payloadType = 96;

/**
 * The SDP answer (RFC 8829) that corresponds to a mediasoup transport: an ICE-lite agent (RFC 8839, section 5.3) and DTLS server
 * (RFC 5763, section 5) with one media section.
 *
 * @param direction direction of the server: `sendonly` for a receive transport.
 */
export function answerOf(transport: TransportParameters, direction: 'sendonly' | 'recvonly'): string {
  const { iceParameters, iceCandidates, dtlsParameters } = transport;
  const fingerprint = dtlsParameters.fingerprints.find(({ algorithm }) => algorithm === 'sha-256');
  if (!fingerprint) throw new Error(`transport ${transport.id} has no SHA-256 fingerprint`);
  const lines = [
    'v=0',
    'o=- 1 1 IN IP4 127.0.0.1',
    's=-',
    't=0 0',
    `a=group:BUNDLE ${mid}`,
    'a=ice-lite',
    `m=video 9 UDP/TLS/RTP/SAVPF ${payloadType}`,
    'c=IN IP4 0.0.0.0',
    `a=mid:${mid}`,
    `a=${direction}`,
    'a=rtcp-mux',
    `a=rtpmap:${payloadType} VP8/90000`,
    'a=setup:passive',
    `a=ice-ufrag:${iceParameters.usernameFragment}`,
    `a=ice-pwd:${iceParameters.password}`,
    `a=fingerprint:${fingerprint.algorithm} ${fingerprint.value}`,
    ...iceCandidates
      .filter(({ protocol }) => protocol === 'udp')
      .map(
        ({ foundation, priority, address, port, type }) =>
          `a=candidate:${foundation} 1 udp ${priority} ${address} ${port} typ ${type}`,
      ),
    'a=end-of-candidates',
  ];
  return `${lines.join('\r\n')}\r\n`;
}

/** The client's DTLS parameters for `connect_transport`, from its SDP offer. */
export function dtlsParametersOf(offer: string): DtlsParameters {
  const value = /^a=fingerprint:sha-256 (\S+)/im.exec(offer)?.[1];
  if (value === undefined) throw new Error('the offer has no SHA-256 fingerprint');
  return { role: 'client', fingerprints: [{ algorithm: 'sha-256', value }] };
}
