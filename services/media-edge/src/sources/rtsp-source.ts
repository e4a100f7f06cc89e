import { IngestError } from '../ingest-error.ts';
import { RtpReceiver, type ReceiverStats } from '../rtp/rtp-receiver.ts';
import type { PortPair, UdpPorts } from '../rtp/udp-ports.ts';
import type { Credentials } from '../rtsp/authorization.ts';
import { RtspConnection, type RtspResponse } from '../rtsp/rtsp-connection.ts';
import { type MediaDescription, parameterSetsOf, parseSdp } from '../rtsp/sdp.ts';
import { transcodingCure } from '../track-feed.ts';
import type { Medium, MediumCodec, MediumKind, Source, SourceHandlers } from './source.ts';

const tickMs = 20;
/** Time until the first packet after PLAY, in milliseconds. */
const firstPacketMs = 10_000;
/** Timeout of a session that does not name one, in seconds (RFC 2326, section 12.37). */
const sessionTimeoutSeconds = 60;

const codecs: Readonly<Record<string, MediumCodec>> = { H264: 'H264', VP8: 'VP8', OPUS: 'opus' };

export interface RtspSourceOptions {
  /** Without user name and password. */
  readonly url: URL;
  readonly credentials: Credentials;
  readonly transport: 'tcp' | 'udp';
  readonly ports: UdpPorts;
  readonly maxBitsPerSecond: number;
}

interface Playing {
  readonly medium: Medium;
  readonly receiver: RtpReceiver;
  /** Of TCP: channel of RTP; RTCP has the next one, unless the camera chose otherwise. */
  channels: readonly [rtp: number, rtcp: number];
  readonly ports: PortPair | undefined;
  /** Of UDP: where RTCP goes. */
  remote: { readonly address: string; readonly port: number } | undefined;
}

/** A camera that the edge plays: RTSP 1.0 (RFC 2326) over TCP, with RTP interleaved or over UDP. */
export class RtspSource implements Source {
  readonly #playing: Playing[] = [];
  readonly #stops: (() => void)[] = [];
  #connection!: RtspConnection;
  #session: string | undefined;
  #base = '';
  #isOpen = false;
  #closed = false;

  private constructor(
    private readonly options: RtspSourceOptions,
    private readonly handlers: SourceHandlers,
  ) {}

  /** Connects and plays. Throws IngestError. */
  static async open(options: RtspSourceOptions, handlers: SourceHandlers): Promise<RtspSource> {
    const source = new RtspSource(options, handlers);
    source.#connection = await RtspConnection.open(options.url, options.credentials, {
      onPacket: (channel, packet) => source.#onInterleaved(channel, packet),
      onClosed: (error) => source.#ended(error),
    });
    try {
      await source.#play();
      source.#isOpen = true;
      return source;
    } catch (error) {
      source.close();
      throw error;
    }
  }

  async #play(): Promise<void> {
    const { href } = this.options.url;
    const options = await this.#connection.request('OPTIONS', href);
    const description = await this.#connection.request('DESCRIBE', href, { Accept: 'application/sdp' });
    const { control, media } = parseSdp(description.body);
    const contentBase =
      description.headers.get('content-base')?.[0] ?? description.headers.get('content-location')?.[0];
    this.#base = contentBase ?? href;
    const used = usable(media);
    this.handlers.onMedia(used.map(({ medium }) => medium));
    for (const [index, { medium, description: each }] of used.entries()) await this.#setUp(medium, each, index);
    const target = control === undefined || control === '*' ? this.#base : resolved(this.#base, control);
    await this.#connection.request('PLAY', target, { ...this.#sessionHeader(), Range: 'npt=0.000-' });
    this.#keepAlive(target, options);
    const ticks = setInterval(() => this.#tick(performance.now()), tickMs);
    this.#stops.push(() => clearInterval(ticks));
    const first = setTimeout(() => {
      if (this.lastAt === Number.NEGATIVE_INFINITY)
        this.#ended(
          new IngestError(
            'SOURCE_SILENT',
            `no packet within ${firstPacketMs / 1000} s after PLAY. Try the other transport.`,
          ),
        );
    }, firstPacketMs);
    this.#stops.push(() => clearTimeout(first));
  }

  async #setUp(medium: Medium, description: MediaDescription, index: number): Promise<void> {
    const ports = this.options.transport === 'udp' ? await this.options.ports.open() : undefined;
    const playing: Playing = {
      medium,
      receiver: new RtpReceiver({
        payloadType: description.payloadType,
        clockRate: description.clockRate,
        nack: ports !== undefined,
        maxBitsPerSecond: this.options.maxBitsPerSecond,
        sendRtcp: (packet) => this.#sendRtcp(playing, packet),
        onPacket: (packet, now) => this.handlers.onPacket(medium.kind, packet, now),
      }),
      channels: [2 * index, 2 * index + 1],
      ports,
      remote: undefined,
    };
    this.#playing.push(playing);
    if (ports)
      ports.onDatagram = (datagram, { address }) => {
        if (address === this.#connection.remoteAddress) playing.receiver.receive(datagram, performance.now());
      };
    const transport = ports
      ? `RTP/AVP;unicast;client_port=${ports.port}-${ports.port + 1}`
      : `RTP/AVP/TCP;unicast;interleaved=${playing.channels.join('-')}`;
    const uri = description.control === undefined ? this.#base : resolved(this.#base, description.control);
    const { headers } = await this.#connection.request('SETUP', uri, {
      ...this.#sessionHeader(),
      Transport: transport,
    });
    const answer = headers.get('transport')?.[0] ?? '';
    if (ports) {
      const [, from, to] = /server_port=(\d+)(?:-(\d+))?/.exec(answer) ?? [];
      const port = Number(to ?? Number(from) + 1);
      if (port > 0 && port < 65_536) playing.remote = { address: this.#connection.remoteAddress, port };
    } else {
      const [, rtp, rtcp] = /interleaved=(\d+)(?:-(\d+))?/.exec(answer) ?? [];
      if (rtp !== undefined) playing.channels = [Number(rtp), Number(rtcp ?? Number(rtp) + 1)];
    }
    this.#session = headers.get('session')?.[0] ?? this.#session;
  }

  #sessionHeader(): Record<string, string> {
    const id = this.#session?.split(';')[0];
    return id === undefined ? {} : { Session: id };
  }

  /** Sends a request at half of the session's timeout. */
  #keepAlive(target: string, { headers }: RtspResponse): void {
    const methods = headers.get('public')?.join(',').toUpperCase() ?? '';
    const method = methods.includes('GET_PARAMETER') ? 'GET_PARAMETER' : 'OPTIONS';
    const named = Number(/timeout=(\d+)/.exec(this.#session ?? '')?.[1] ?? sessionTimeoutSeconds);
    const seconds = Math.min(Math.max(named / 2, 2), sessionTimeoutSeconds);
    const timer = setInterval(() => {
      this.#connection
        .request(method, target, this.#sessionHeader())
        .catch((error: unknown) => error instanceof IngestError && this.#ended(error));
    }, seconds * 1000);
    this.#stops.push(() => clearInterval(timer));
  }

  #onInterleaved(channel: number, packet: Buffer): void {
    for (const { receiver, channels } of this.#playing)
      if (channels.includes(channel)) receiver.receive(packet, performance.now());
  }

  #sendRtcp({ ports, remote, channels }: Playing, packet: Buffer): void {
    if (!ports) this.#connection.sendPacket(channels[1], packet);
    else if (remote) ports.send(packet, remote.port, remote.address, true);
  }

  #tick(now: number): void {
    for (const { receiver } of this.#playing) receiver.tick(now);
  }

  requestKeyFrame(): void {
    for (const { medium, receiver } of this.#playing)
      if (medium.kind === 'video') receiver.requestKeyFrame(performance.now());
  }

  stats(): Partial<Record<MediumKind, ReceiverStats>> {
    return Object.fromEntries(this.#playing.map(({ medium, receiver }) => [medium.kind, receiver.stats]));
  }

  get lastAt(): number {
    return Math.max(Number.NEGATIVE_INFINITY, ...this.#playing.map(({ receiver }) => receiver.lastAt));
  }

  #ended(error: IngestError): void {
    if (this.#closed) return;
    this.close();
    // Before, `open` rejects.
    if (this.#isOpen) this.handlers.onEnded(error);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const stop of this.#stops.splice(0)) stop();
    // The camera frees the session at once. Its answer is not awaited.
    if (this.#session !== undefined)
      this.#connection.request('TEARDOWN', this.#base, this.#sessionHeader()).catch(() => undefined);
    for (const { ports } of this.#playing) ports?.close();
    this.#connection.close();
  }
}

/** The first video and the first audio that are passed on. Throws IngestError CODEC_UNSUPPORTED when there is none. */
function usable(media: readonly MediaDescription[]): { medium: Medium; description: MediaDescription }[] {
  const used = (['video', 'audio'] as const).flatMap((kind) => {
    const description = media.find((each) => each.kind === kind && codecs[each.codec]);
    if (!description) return [];
    const codec = codecs[description.codec]!;
    const sets = description.parameters.get('sprop-parameter-sets');
    return [{ description, medium: { kind, codec, parameterSets: sets === undefined ? [] : parameterSetsOf(sets) } }];
  });
  // Sound alone is not what a camera is added for.
  const video = media.find(({ kind }) => kind === 'video');
  if (used.length > 0 && (!video || used[0]!.medium.kind === 'video')) return used;
  const offered = media
    .map(({ kind, codec }) => `${kind} ${codec === 'H265' ? 'H.265' : codec || 'unknown'}`)
    .join(', ');
  throw new IngestError(
    'CODEC_UNSUPPORTED',
    `the camera offers ${offered || 'no media'}, which is not passed on. Set it to H.264, or ${transcodingCure}`,
  );
}

/** A control URL that is absolute, or relative to the base, of which cameras omit the last slash. */
function resolved(base: string, control: string): string {
  if (/^rtspu?:\/\//i.test(control)) return control;
  return `${base.replace(/\/$/, '')}/${control.replace(/^\//, '')}`;
}
