import type { DtlsParameters, TransportParameters } from '@flotilla/contracts';

/** The one media section that everything goes through. */
export const mid = '0';
/** Only for the description: RTP goes through as it is, whatever its payload type. */
export const payloadType = 96;

/**
 * What mediasoup's end of a transport would answer, had it been offered one bundled media section (RFC 8829): an ICE-lite agent
 * (RFC 8839, section 5.3) that is the DTLS server (RFC 5763, section 5).
 *
 * @param direction the server's: `sendonly` for a transport that we receive by.
 */
export function answerOf(transport: TransportParameters, direction: 'sendonly' | 'recvonly'): string {
  const { iceParameters, iceCandidates, dtlsParameters } = transport;
  const fingerprint = dtlsParameters.fingerprints.find(({ algorithm }) => algorithm === 'sha-256');
  if (!fingerprint) throw new Error(`no SHA-256 fingerprint of transport ${transport.id}`);
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

/** Our end of the DTLS handshake as `connect_transport` wants it, from our offer. */
export function dtlsParametersOf(offer: string): DtlsParameters {
  const value = /^a=fingerprint:sha-256 (\S+)/im.exec(offer)?.[1];
  if (value === undefined) throw new Error('no SHA-256 fingerprint in the offer');
  return { role: 'client', fingerprints: [{ algorithm: 'sha-256', value }] };
}
