import type { RtpCapabilities, RtpParameters } from '@flotilla/contracts';
import { isSameProfile } from 'h264-profile-level-id';
import type { Media } from 'sdp-transform';

export type Codec = RtpParameters['codecs'][number];
export type FleetCodec = NonNullable<RtpCapabilities['codecs']>[number];
type CodecParameters = NonNullable<Codec['parameters']>;

/** The codecs of a media section in its order of preference. */
export function codecsOf({ type, payloads, rtp = [], fmtp = [], rtcpFb = [] }: Media): Codec[] {
  return String(payloads)
    .split(' ')
    .flatMap((payload) => {
      const payloadType = Number(payload);
      const map = rtp.find((each) => each.payload === payloadType);
      if (!map?.rate) return [];
      const channels = Number(map.encoding);
      return {
        mimeType: `${type}/${map.codec}`,
        payloadType,
        clockRate: map.rate,
        ...(channels > 0 && { channels }),
        parameters: parametersOf(String(fmtp.find((each) => each.payload === payloadType)?.config ?? '')),
        rtcpFeedback: rtcpFb
          .filter((each) => each.payload === '*' || Number(each.payload) === payloadType)
          .map(({ type, subtype }) => ({ type: String(type), parameter: String(subtype ?? '') })),
      };
    });
}

/** Format parameters (RFC 8866, section 6.15). Whole numbers are numbers, as mediasoup compares them. */
function parametersOf(config: string): CodecParameters {
  const parameters: CodecParameters = {};
  for (const part of config.split(';')) {
    const [name = '', value] = part.trim().split(/=(.*)/s);
    if (name === '') continue;
    const isNumber = value !== undefined && /^\d{1,9}$/.test(value) && name !== 'profile-level-id';
    parameters[name] = isNumber ? Number(value) : (value ?? '');
  }
  return parameters;
}

export const isRtx = ({ mimeType }: { readonly mimeType: string }): boolean => /\/rtx$/i.test(mimeType);

/** The retransmission codec (RFC 4588) of a payload type. */
export const rtxOf = (codecs: readonly Codec[], payloadType: number): Codec | undefined =>
  codecs.find((codec) => isRtx(codec) && codec.parameters?.['apt'] === payloadType);

/** Whether a codec of a client is that of the fleet: the same format, and the same profile (RFC 6184, section 8.2.2). */
export function isSameCodec(codec: Codec, fleet: FleetCodec): boolean {
  if (codec.mimeType.toLowerCase() !== fleet.mimeType.toLowerCase() || codec.clockRate !== fleet.clockRate)
    return false;
  if ((codec.channels ?? 1) !== (fleet.channels ?? 1)) return false;
  const [own = {}, other = {}] = [codec.parameters, fleet.parameters];
  const differs = (name: string): boolean => Number(own[name] ?? 0) !== Number(other[name] ?? 0);
  switch (fleet.mimeType.toLowerCase()) {
    case 'video/h264':
      return !differs('packetization-mode') && isSameProfile(textsOf(own), textsOf(other));
    case 'video/vp9':
      return !differs('profile-id');
    case 'video/av1':
      return !differs('profile');
    default:
      return true;
  }
}

const textsOf = (parameters: CodecParameters): Record<string, string> =>
  Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name, String(value)]));

/** The feedback that both have. */
export const commonFeedback = (codec: Codec, fleet: FleetCodec): NonNullable<Codec['rtcpFeedback']> =>
  (codec.rtcpFeedback ?? []).filter((each) =>
    fleet.rtcpFeedback?.some(
      ({ type, parameter }) => type === each.type && (parameter ?? '') === (each.parameter ?? ''),
    ),
  );
