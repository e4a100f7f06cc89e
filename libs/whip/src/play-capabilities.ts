import type { Publication, RtpCapabilities } from '@flotilla/contracts';
import { type FleetCodec, isRtx, isSameCodec } from './codecs.ts';
import type { Section } from './description.ts';
import { Problem } from './problem.ts';

/** Extensions by which a receiver reports arrival times. Without one of them there is no bandwidth estimate. */
const feedbackExtensions: ReadonlySet<string> = new Set([
  'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
  'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time',
]);
/**
 * Extensions that a player does not get: consumers have media ids of their own, and a stream that replaces another one belongs to
 * the same section by its payload type.
 */
const ownIdentification: ReadonlySet<string> = new Set([
  'urn:ietf:params:rtp-hdrext:sdes:mid',
  'urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id',
  'urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id',
]);

/** How a WHEP player receives publications. */
export interface PlayPlan {
  /** `answer`: with the numbers of the offer. `counter-offer`: with those of the fleet. */
  readonly kind: 'answer' | 'counter-offer';
  readonly rtpCapabilities: RtpCapabilities;
}

/**
 * Plans what a player receives. Consumers use the payload types and extension ids of the fleet, so an offer with others is
 * countered (WHEP, counter-offer), unless the player wants an `answer` in any case: it then has no bandwidth estimate, and decodes
 * if it takes the payload types of the answer.
 * @throws Problem 422 when the offer has no codec of a publication.
 */
export function planPlay(
  pairs: readonly (readonly [Section, Publication])[],
  fleet: RtpCapabilities,
  answerInAnyCase: boolean,
): PlayPlan {
  const matched = pairs.map(([section, publication]) => ({ section, codecs: receivable(section, publication, fleet) }));
  const sameNumbers = matched.every(
    ({ section, codecs }) => codecs.every((codec) => hasPayloadType(section, codec)) && hasFeedbackIds(section, fleet),
  );
  const kind = sameNumbers || answerInAnyCase ? 'answer' : 'counter-offer';
  const fleetCodecs = fleet.codecs ?? [];
  const extensions = sentExtensions(fleet).filter(({ uri }) => !ownIdentification.has(uri));
  return {
    kind,
    rtpCapabilities: {
      codecs: matched.flatMap(({ section, codecs }) => [
        ...codecs,
        ...fleetCodecs.filter(
          (each) =>
            isRtx(each) &&
            codecs.some(({ preferredPayloadType }) => each.parameters?.['apt'] === preferredPayloadType) &&
            (kind === 'counter-offer' || hasRtx(section, each)),
        ),
      ]),
      headerExtensions: matched.flatMap(({ section }) =>
        extensions.filter(
          (each) =>
            each.kind === section.kind &&
            (kind === 'counter-offer' ||
              section.extensions.some(({ uri, id }) => uri === each.uri && id === each.preferredId)),
        ),
      ),
    },
  };
}

function receivable(section: Section, { codec, kind }: Publication, fleet: RtpCapabilities): FleetCodec[] {
  const codecs = (fleet.codecs ?? []).filter(
    (each) =>
      each.kind === kind &&
      each.mimeType.toLowerCase() === codec.toLowerCase() &&
      section.codecs.some((offered) => isSameCodec(offered, each)),
  );
  if (codecs.length === 0) throw new Problem(422, `the offer has no ${codec}, which the publication has`);
  return codecs;
}

const hasPayloadType = (section: Section, codec: FleetCodec): boolean =>
  section.codecs.some((offered) => offered.payloadType === codec.preferredPayloadType && isSameCodec(offered, codec));

const hasRtx = (section: Section, rtx: FleetCodec): boolean =>
  section.codecs.some(
    (offered) =>
      isRtx(offered) &&
      offered.payloadType === rtx.preferredPayloadType &&
      offered.parameters?.['apt'] === rtx.parameters?.['apt'],
  );

const hasFeedbackIds = (section: Section, fleet: RtpCapabilities): boolean =>
  section.extensions.every(
    ({ uri, id }) =>
      !feedbackExtensions.has(uri) ||
      sentExtensions(fleet).every((each) => each.kind !== section.kind || each.uri !== uri || each.preferredId === id),
  );

/** Extensions that an SFU node sends. Some it receives only, such as transport-cc of audio. */
const sentExtensions = ({ headerExtensions = [] }: RtpCapabilities): NonNullable<RtpCapabilities['headerExtensions']> =>
  headerExtensions.filter(({ direction = 'sendrecv' }) => direction === 'sendrecv' || direction === 'sendonly');
