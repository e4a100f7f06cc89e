import { randomInt } from 'node:crypto';
import type { IceParameters, MediaKind, RtpParameters, TransportParameters } from '@flotilla/contracts';
import { type Candidate, type Media, write } from 'sdp-transform';
import type { z } from 'zod';

type Ice = z.infer<typeof IceParameters>;

/** A media section of the server. */
export interface ServerSection {
  readonly kind: MediaKind;
  readonly mid: string;
  readonly direction: 'sendonly' | 'recvonly' | 'inactive';
  readonly rtpParameters: RtpParameters;
}

/** Stream id of what a player receives: the same in all sections (RFC 9725, section 4.4.2). */
const streamId = 'flotilla';

/**
 * Writes the session description of a transport: an ICE-lite agent (RFC 8445) with all its candidates, whose sections are one
 * bundle. As an answer it is the DTLS server; as an offer it lets the client choose.
 */
export function writeDescription(
  type: 'offer' | 'answer',
  transport: TransportParameters,
  sections: readonly ServerSection[],
): string {
  const fingerprint = transport.dtlsParameters.fingerprints.find(({ algorithm }) => algorithm === 'sha-256');
  if (!fingerprint) throw new Error(`transport ${transport.id} has no SHA-256 fingerprint`);
  const isOffer = type === 'offer';
  return write({
    version: 0,
    origin: {
      username: '-',
      sessionId: String(randomInt(1, 2 ** 47)),
      sessionVersion: 1,
      netType: 'IN',
      ipVer: 4,
      address: '0.0.0.0',
    },
    name: '-',
    timing: { start: 0, stop: 0 },
    icelite: 'ice-lite',
    groups: [{ type: 'BUNDLE', mids: sections.map(({ mid }) => mid).join(' ') }],
    extmapAllowMixed: 'extmap-allow-mixed',
    media: sections.map((section) => ({
      ...mediaOf(section),
      ...iceOf(transport),
      fingerprint: { type: fingerprint.algorithm, hash: fingerprint.value },
      setup: isOffer ? 'actpass' : 'passive',
      // RFC 8858, section 3: in offers only.
      ...(isOffer && { invalid: [{ value: 'rtcp-mux-only' }] }),
    })),
  });
}

/** ICE credentials and candidates after a restart, as `application/trickle-ice-sdpfrag` (RFC 8840). */
export function writeIceFragment(transport: TransportParameters, iceParameters: Ice, mid: string): string {
  const lines = [
    'a=ice-lite',
    'm=audio 9 UDP/TLS/RTP/SAVPF 0',
    `a=mid:${mid}`,
    `a=ice-ufrag:${iceParameters.usernameFragment}`,
    `a=ice-pwd:${iceParameters.password}`,
    ...candidatesOf(transport).map(
      ({ foundation, component, transport: protocol, priority, ip, port, type, tcptype }) =>
        `a=candidate:${foundation} ${component} ${protocol} ${priority} ${ip} ${port} typ ${type}${tcptype === undefined ? '' : ` tcptype ${tcptype}`}`,
    ),
    'a=end-of-candidates',
  ];
  return `${lines.join('\r\n')}\r\n`;
}

function mediaOf({ kind, mid, direction, rtpParameters }: ServerSection): Media {
  const { codecs, headerExtensions = [], encodings = [] } = rtpParameters;
  const rids = direction === 'recvonly' ? encodings.flatMap(({ rid }) => rid ?? []) : [];
  return {
    type: kind,
    port: 9,
    protocol: 'UDP/TLS/RTP/SAVPF',
    payloads: codecs.map(({ payloadType }) => payloadType).join(' '),
    connection: { version: 4, ip: '0.0.0.0' },
    mid,
    direction,
    ...(direction === 'sendonly' && { msid: [{ id: streamId, appdata: kind }] }),
    rtcpMux: 'rtcp-mux',
    rtcpRsize: 'rtcp-rsize',
    rtp: codecs.map(({ mimeType, payloadType, clockRate, channels = 1 }) => ({
      payload: payloadType,
      codec: mimeType.slice(mimeType.indexOf('/') + 1),
      rate: clockRate,
      ...(channels > 1 && { encoding: channels }),
    })),
    fmtp: codecs.flatMap(({ payloadType, parameters = {} }) => {
      const config = Object.entries(parameters).map(([name, value]) => `${name}=${value}`);
      return config.length > 0 ? { payload: payloadType, config: config.join(';') } : [];
    }),
    rtcpFb: codecs.flatMap(({ payloadType, rtcpFeedback = [] }) =>
      rtcpFeedback.map(({ type, parameter }) => ({
        payload: payloadType,
        type,
        ...(parameter !== undefined && parameter !== '' && { subtype: parameter }),
      })),
    ),
    ext: headerExtensions.map(({ uri, id }) => ({ value: id, uri })),
    ...(rids.length > 0 && {
      rids: rids.map((id) => ({ id, direction: 'recv' })),
      simulcast: { dir1: 'recv', list1: rids.join(';') },
    }),
  };
}

function iceOf(transport: TransportParameters): Partial<Media> {
  const { iceParameters } = transport;
  return {
    iceUfrag: iceParameters.usernameFragment,
    icePwd: iceParameters.password,
    candidates: candidatesOf(transport),
    endOfCandidates: 'end-of-candidates',
  };
}

const candidatesOf = ({ iceCandidates }: TransportParameters): Candidate[] =>
  iceCandidates.map(({ foundation, protocol, priority, address, port, type, tcpType }) => ({
    foundation,
    component: 1,
    transport: protocol,
    priority,
    ip: address,
    port,
    type,
    ...(tcpType !== undefined && { tcptype: tcpType }),
  }));
