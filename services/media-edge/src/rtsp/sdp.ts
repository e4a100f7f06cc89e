/** The subset of SDP (RFC 8866) that cameras describe themselves with. */

/** Media descriptions that are read. Those behind are left out. */
const maxMedia = 16;
const maxParameterSets = 8;

export interface MediaDescription {
  /** `video`, `audio`, `application` and others. */
  readonly kind: string;
  readonly payloadType: number;
  /** Name of the codec in upper case, such as `H264`. */
  readonly codec: string;
  readonly clockRate: number;
  /** Parameters of `a=fmtp`, with names in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
  /** `a=control`, absolute or relative to the URL of the session. */
  readonly control: string | undefined;
}

/** Codecs of static payload types (RFC 3551) that cameras use without `a=rtpmap`. */
const staticCodecs: ReadonlyMap<number, string> = new Map([
  [0, 'PCMU/8000'],
  [8, 'PCMA/8000'],
  [26, 'JPEG/90000'],
]);

/** The media of a session description, and its own `a=control`. Lines that cannot be read are skipped. */
export function parseSdp(text: string): { readonly control: string | undefined; readonly media: MediaDescription[] } {
  const [session = '', ...sections] = text.split(/^(?=m=)/m);
  return {
    control: attribute(session, 'control'),
    media: sections.slice(0, maxMedia).flatMap((section) => mediumOf(section) ?? []),
  };
}

function mediumOf(section: string): MediaDescription | undefined {
  // The first format is the preferred one.
  const [, kind, format] = /^m=(\w+) \d+(?:\/\d+)? \S+ (\d+)/.exec(section) ?? [];
  const payloadType = Number(format);
  if (kind === undefined || !(payloadType >= 0 && payloadType < 128)) return undefined;
  const mapped = new RegExp(`^a=rtpmap:${payloadType} (\\S+)`, 'm').exec(section)?.[1] ?? staticCodecs.get(payloadType);
  const [codec = '', clockRate = '0'] = mapped?.split('/') ?? [];
  const formatParameters = new RegExp(`^a=fmtp:${payloadType} (.*)$`, 'm').exec(section)?.[1] ?? '';
  const parameters = formatParameters.split(';').flatMap((pair): [string, string][] => {
    const at = pair.indexOf('=');
    return at < 0 ? [] : [[pair.slice(0, at).trim().toLowerCase(), pair.slice(at + 1).trim()]];
  });
  return {
    kind,
    payloadType,
    codec: codec.toUpperCase(),
    clockRate: Number(clockRate) || 0,
    parameters: new Map(parameters),
    control: attribute(section, 'control'),
  };
}

const attribute = (section: string, name: string): string | undefined =>
  new RegExp(`^a=${name}:(\\S+)`, 'm').exec(section)?.[1];

/** The NAL units of `sprop-parameter-sets` (RFC 6184, section 8.1). */
export const parameterSetsOf = (text: string): Buffer[] =>
  text
    .split(',')
    .slice(0, maxParameterSets)
    .map((set) => Buffer.from(set, 'base64'))
    .filter((set) => set.length > 0);
