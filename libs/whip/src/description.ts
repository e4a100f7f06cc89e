import type { DtlsParameters, MediaKind } from '@flotilla/contracts';
import { type Description, type Media, parse, type SharedAttributes } from 'sdp-transform';
import { type Codec, codecsOf } from './codecs.ts';
import { Problem } from './problem.ts';

/** A media section of a client's session description. */
export interface Section {
  readonly kind: MediaKind;
  readonly mid: string;
  readonly direction: string;
  /** The port is 0 without `bundle-only`, or the direction `inactive`. */
  readonly rejected: boolean;
  /** In order of preference, `rtx` included. */
  readonly codecs: readonly Codec[];
  readonly extensions: readonly { readonly uri: string; readonly id: number }[];
  /** Simulcast streams to send (RFC 8853), in the order of the offer. */
  readonly rids: readonly string[];
  /** The first stream, and its retransmissions, when they are announced by SSRC. */
  readonly ssrc: number | undefined;
  readonly rtxSsrc: number | undefined;
  readonly cname: string | undefined;
}

/** What is read of a client's session description. */
export interface ClientDescription {
  readonly sections: readonly Section[];
  readonly iceUfrag: string;
  readonly setup: string;
  readonly dtlsParameters: DtlsParameters;
}

const token = /^[!#-'*+\-.0-9A-Z^-~]{1,16}$/;
/** More sections than one of audio and one of video are refused; this bounds the work until then. */
const maxSections = 16;
/** Simulcast streams of a section that are read. Browsers send three. */
const maxRids = 8;

/**
 * Reads a session description (RFC 8866) and holds it to what WHIP and WHEP share: RFC 9725, sections 4.4.1 and 4.4.2.
 * @throws Problem 400 when it is malformed, 422 when it is outside of that.
 */
export function readDescription(text: string): ClientDescription {
  const sdp = parsed(text);
  const { media } = sdp;
  checkSections(sdp);
  const first = media[0]!;
  const attribute = <K extends keyof SharedAttributes>(name: K): SharedAttributes[K] => first[name] ?? sdp[name];
  const fingerprint = attribute('fingerprint');
  const iceUfrag = attribute('iceUfrag');
  if (!fingerprint?.hash) throw new Problem(400, 'a=fingerprint is missing (RFC 8122)');
  if (iceUfrag === undefined || attribute('icePwd') === undefined)
    throw new Problem(400, 'a=ice-ufrag or a=ice-pwd is missing (RFC 8839)');
  const setup = attribute('setup') ?? 'actpass';
  return {
    sections: media.map((each) => sectionOf(each, sdp)),
    iceUfrag: String(iceUfrag),
    setup,
    dtlsParameters: {
      role: setup === 'passive' ? 'server' : 'client',
      fingerprints: [
        {
          algorithm: String(fingerprint.type).toLowerCase() as 'sha-256',
          value: String(fingerprint.hash).toUpperCase(),
        },
      ],
    },
  };
}

function parsed(text: string): Description {
  if (!/^v=0\r?\n/.test(text)) throw new Problem(400, 'the body is no session description: it does not begin with v=0');
  let sdp: Description;
  try {
    sdp = parse(text);
  } catch {
    throw new Problem(400, 'the body is no session description');
  }
  const count = text.match(/^m=/gm)?.length ?? 0;
  if (count === 0 || count !== sdp.media.length || sdp.media.some(({ payloads }) => payloads === undefined))
    throw new Problem(400, 'the session description has no media section, or one that cannot be read');
  if (count > maxSections) throw new Problem(422, 'one section of audio and one of video at most');
  return sdp;
}

/** RFC 9725, section 4.4.1: one bundle with RTP and RTCP on one port. Section 4.4.2: one stream with a track of each kind at most. */
function checkSections({ media, groups = [] }: Description): void {
  const mids = media.map(midOf);
  if (new Set(mids).size !== mids.length) throw new Problem(400, 'two media sections have the same a=mid');
  const bundle = groups.find(({ type }) => type === 'BUNDLE');
  const bundled = new Set(String(bundle?.mids ?? '').split(' '));
  if (media.length > 1 && !mids.every((mid) => bundled.has(mid)))
    throw new Problem(422, 'a=group:BUNDLE must have all media sections (RFC 9725, section 4.4.1)');
  const kinds = media.map(({ type }) => type);
  if (kinds.some((kind) => kind !== 'audio' && kind !== 'video'))
    throw new Problem(422, 'media sections other than audio and video are not accepted');
  if (new Set(kinds).size !== kinds.length)
    throw new Problem(422, 'one track of audio and one of video at most (RFC 9725, section 4.4.2)');
  const streams = new Set(media.flatMap(streamsOf));
  if (streams.size > 1) throw new Problem(422, 'all a=msid must name one stream (RFC 9725, section 4.4.2)');
  for (const { protocol, rtcpMux } of media) {
    if (!/^(UDP|TCP)\/TLS\/RTP\/SAVPF$/.test(protocol)) throw new Problem(422, `${protocol} is not accepted`);
    if (rtcpMux === undefined) throw new Problem(422, 'a=rtcp-mux is missing (RFC 9725, section 4.4.1)');
  }
}

function midOf({ mid }: Media): string {
  if (mid === undefined || !token.test(String(mid)))
    throw new Problem(400, 'a=mid is missing in a media section, or no token of at most 16 characters');
  return String(mid);
}

function streamsOf({ msid }: Media): string[] {
  if (msid === undefined) return [];
  if (!Array.isArray(msid)) return [String(msid).split(' ')[0]!];
  return msid.map(({ id }) => String(id));
}

function sectionOf(media: Media, sdp: Description): Section {
  const { port, bundleOnly, ext = [], rids = [], simulcast, ssrcs = [], ssrcGroups = [] } = media;
  const direction = media.direction ?? sdp.direction ?? 'sendrecv';
  const fid = String(ssrcGroups.find(({ semantics }) => semantics === 'FID')?.ssrcs ?? '')
    .split(' ')
    .flatMap((ssrc) => (ssrc === '' ? [] : Number(ssrc)));
  const cname = ssrcs.find(({ attribute }) => attribute === 'cname')?.value;
  const sendList = simulcast?.dir1 === 'send' ? simulcast.list1 : simulcast?.dir2 === 'send' ? simulcast.list2 : '';
  return {
    kind: media.type as MediaKind,
    mid: midOf(media),
    direction,
    rejected: direction === 'inactive' || (port === 0 && bundleOnly === undefined),
    codecs: codecsOf(media),
    extensions: ext.map(({ uri, value }) => ({ uri: String(uri), id: value })),
    rids: ridsOf(String(sendList ?? ''))
      .slice(0, maxRids)
      .filter((rid) => rids.some(({ id, direction }) => String(id) === rid && direction === 'send')),
    ssrc: fid[0] ?? ssrcs[0]?.id,
    rtxSsrc: fid[1],
    cname: cname === undefined ? undefined : String(cname),
  };
}

/** RFC 8853, section 5.1: streams are separated by semicolons, alternatives by commas; `~` says that it starts paused. */
const ridsOf = (list: string): string[] =>
  list
    .split(';')
    .map((stream) => stream.split(',')[0]!.replace(/^~/, '').trim())
    .filter((rid) => rid !== '');
