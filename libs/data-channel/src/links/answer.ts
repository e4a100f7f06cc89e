import type { DtlsParameters, MetadataSession } from '@flotilla/contracts';

const line = (sdp: string, name: string): string | undefined =>
  new RegExp(`^a=${name}:(.*)$`, 'm').exec(sdp)?.[1]?.trim();

/**
 * The client's DTLS parameters, from its SDP offer. The client is the DTLS client.
 *
 * @throws Error when the offer has no fingerprint
 */
export function dtlsParametersOf(offer: string): DtlsParameters {
  const [algorithm, value] = line(offer, 'fingerprint')?.split(' ') ?? [];
  if (!algorithm || !value) throw new Error('the offer has no fingerprint');
  return {
    role: 'client',
    fingerprints: [{ algorithm: algorithm.toLowerCase() as DtlsParameters['fingerprints'][0]['algorithm'], value }],
  };
}

/**
 * The relay's transport as SDP answer to an offer with data channels only (RFC 8841, section 10). The relay is an ICE-lite agent and
 * needs no candidates of the client.
 */
export function answerTo(offer: string, { transport, sctp }: MetadataSession): string {
  const { iceParameters: ice, iceCandidates, dtlsParameters } = transport;
  const mid = line(offer, 'mid') ?? '0';
  const candidates = iceCandidates.map(
    ({ foundation, protocol, priority, ip, port, tcpType }) =>
      `a=candidate:${foundation} 1 ${protocol} ${priority} ${ip} ${port} typ host${tcpType ? ` tcptype ${tcpType}` : ''}`,
  );
  const { algorithm, value } =
    dtlsParameters.fingerprints.find((each) => each.algorithm === 'sha-256') ?? dtlsParameters.fingerprints[0]!;
  return [
    'v=0',
    'o=- 1 1 IN IP4 0.0.0.0',
    's=-',
    't=0 0',
    'a=ice-lite',
    `a=group:BUNDLE ${mid}`,
    'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',
    'c=IN IP4 0.0.0.0',
    `a=mid:${mid}`,
    `a=ice-ufrag:${ice.usernameFragment}`,
    `a=ice-pwd:${ice.password}`,
    `a=fingerprint:${algorithm} ${value}`,
    'a=setup:passive',
    `a=sctp-port:${sctp.port}`,
    `a=max-message-size:${sctp.maxMessageSize}`,
    ...candidates,
    'a=end-of-candidates',
    '',
  ].join('\r\n');
}
