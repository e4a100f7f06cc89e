import type { RtpCapabilities, RtpParameters } from '@flotilla/contracts';
import { commonFeedback, isRtx, isSameCodec, rtxOf } from './codecs.ts';
import type { Section } from './description.ts';
import { Problem } from './problem.ts';

const cnamePattern = /^[!-~]{1,255}$/;
/** Sets of rids by which applications name their layers, the lowest first. */
const knownRids = ['qhf', 'lmh'] as const;

/**
 * What a media section of a WHIP offer publishes: its first codec that the fleet has, with the payload types and extension ids of
 * the offer.
 * @throws Problem 422 when there is none.
 */
export function publishParameters(section: Section, fleet: RtpCapabilities): RtpParameters {
  const { kind, mid, codecs, ssrc, rtxSsrc, cname } = section;
  if (section.rejected || !['sendonly', 'sendrecv'].includes(section.direction))
    throw new Problem(422, `the section of ${kind} is not sendonly or sendrecv (RFC 9725, section 4.2)`);
  const ofFleet = (fleet.codecs ?? []).filter((each) => each.kind === kind && !isRtx(each));
  const codec = codecs.find((each) => ofFleet.some((other) => isSameCodec(each, other)));
  if (!codec) throw new Problem(422, `the offer has no ${kind} codec of the fleet: ${namesOf(ofFleet)}`);
  const rids = lowestFirst(section.rids);
  const rtx = rtxOf(codecs, codec.payloadType);
  const rtxIsKnown = rids.length > 0 || rtxSsrc !== undefined;
  return {
    mid,
    codecs: [
      {
        ...codec,
        rtcpFeedback: commonFeedback(
          codec,
          ofFleet.find((other) => isSameCodec(codec, other))!,
        ),
      },
      ...(rtx && rtxIsKnown ? [{ ...rtx, rtcpFeedback: [] }] : []),
    ],
    headerExtensions: section.extensions.filter(({ uri }) =>
      fleet.headerExtensions?.some(
        (each) =>
          each.kind === kind && each.uri === uri && ['sendrecv', 'recvonly'].includes(each.direction ?? 'sendrecv'),
      ),
    ),
    encodings:
      rids.length > 0
        ? rids.map((rid) => ({ rid }))
        : [{ ...(ssrc !== undefined && { ssrc }), ...(rtx && rtxSsrc !== undefined && { rtx: { ssrc: rtxSsrc } }) }],
    rtcp: { cname: cname !== undefined && cnamePattern.test(cname) ? cname : '', reducedSize: true },
  };
}

const namesOf = (codecs: readonly { mimeType: string }[]): string =>
  [...new Set(codecs.map(({ mimeType }) => mimeType))].join(', ');

/** mediasoup takes the lowest layer first. That is the order of an offer (W3C WebRTC, `scaleResolutionDownBy`), but for known names. */
function lowestFirst(rids: readonly string[]): readonly string[] {
  const names = knownRids.find((known) => rids.every((rid) => rid.length === 1 && known.includes(rid)));
  return names === undefined ? rids : [...rids].sort((a, b) => names.indexOf(a) - names.indexOf(b));
}
