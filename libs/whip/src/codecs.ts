import type { RtpCapabilities, RtpParameters } from '@flotilla/contracts';
import { isSameProfile } from 'h264-profile-level-id';
import type { Media } from 'sdp-transform';

export type Codec = RtpParameters['codecs'][number];
export type FleetCodec = NonNullable<RtpCapabilities['codecs']>[number];
type CodecParameters = NonNullable<Codec['parameters']>;

/** Lines of `a=rtcp-fb` that are read of a payload type, and of `*`. Browsers send six. */
const maxFeedback = 32;

/** The codecs of a media section in its order of preference: 128 at most, each payload type once. */
export function codecsOf({ type, payloads, rtp = [], fmtp = [], rtcpFb = [] }: Media): Codec[] {
  const payloadTypes = new Set(
    String(payloads)
      .split(' ')
      .flatMap((payload) => (/^\d{1,3}$/.test(payload) && Number(payload) < 128 ? Number(payload) : [])),
  );
  const maps = byPayload(rtp);
  const formats = byPayload(fmtp);
  const feedback = byPayload(rtcpFb);
  const feedbackOf = (payload: number | string): NonNullable<Codec['rtcpFeedback']> =>
    (feedback.get(String(payload)) ?? [])
      .slice(0, maxFeedback)
      .map(({ type, subtype }) => ({ type: String(type), parameter: String(subtype ?? '') }));
  return [...payloadTypes].flatMap((payloadType) => {
    const map = maps.get(String(payloadType))?.[0];
    if (!map?.rate) return [];
    const channels = Number(map.encoding);
    return {
      mimeType: `${type}/${map.codec}`,
      payloadType,
      clockRate: map.rate,
      ...(channels > 0 && { channels }),
      parameters: parametersOf(String(formats.get(String(payloadType))?.[0]?.config ?? '')),
      rtcpFeedback: [...feedbackOf('*'), ...feedbackOf(payloadType)],
    };
  });
}

/** The lines of each payload type. */
function byPayload<T extends { readonly payload: number | string }>(lines: readonly T[]): Map<string, T[]> {
  const found = new Map<string, T[]>();
  for (const line of lines) {
    const key = String(line.payload);
    const known = found.get(key);
    if (known) known.push(line);
    else found.set(key, [line]);
  }
  return found;
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
