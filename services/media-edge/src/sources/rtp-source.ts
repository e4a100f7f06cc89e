import type { RemoteInfo } from 'node:dgram';
import { isRtcp } from '@flotilla/edge-peer';
import type { PortPair, UdpPorts } from '../rtp/udp-ports.ts';
import { RtpReceiver, type ReceiverStats } from '../rtp/rtp-receiver.ts';
import { clockRates, type Medium, type MediumKind, type Source, type SourceHandlers } from './source.ts';

const tickMs = 20;
/** Another address may send when the one that sends has been silent for so long, in milliseconds. */
const addressSilentMs = 3000;

/** A stream that a sender sends over RTP. */
export interface RtpMedium extends Medium {
  readonly payloadType: number;
  /** Port at which the sender receives RTCP. Default: the one that it sends RTCP, or else RTP, from. */
  readonly rtcpPort?: number | undefined;
}

export interface RtpSourceOptions {
  readonly maxBitsPerSecond: number;
  readonly media: readonly RtpMedium[];
  /** The address that may send. Default: the first one that does. */
  readonly from?: string | undefined;
}

interface Listening {
  readonly medium: RtpMedium;
  readonly ports: PortPair;
  readonly receiver: RtpReceiver;
}

/** Receives RTP at ports of its own: an encoder sends to them (RFC 3550, profile AVPF of RFC 4585). */
export class RtpSource implements Source {
  readonly #timer: NodeJS.Timeout;

  private constructor(private readonly listening: readonly Listening[]) {
    this.#timer = setInterval(() => {
      for (const { receiver } of listening) receiver.tick(performance.now());
    }, tickMs);
  }

  /** Opens a pair of ports for each medium. Throws IngestError NO_PORTS. */
  static async open(ports: UdpPorts, options: RtpSourceOptions, handlers: SourceHandlers): Promise<RtpSource> {
    const listening: Listening[] = [];
    try {
      for (const medium of options.media) listening.push(listen(medium, await ports.open(), options, handlers));
    } catch (error) {
      for (const { ports: pair } of listening) pair.close();
      throw error;
    }
    handlers.onMedia(options.media);
    return new RtpSource(listening);
  }

  /** The port for RTP of each medium. RTCP goes to the next one, or to the same. */
  get ports(): Partial<Record<MediumKind, number>> {
    return Object.fromEntries(this.listening.map(({ medium, ports }) => [medium.kind, ports.port]));
  }

  requestKeyFrame(): void {
    for (const { medium, receiver } of this.listening)
      if (medium.kind === 'video') receiver.requestKeyFrame(performance.now());
  }

  stats(): Partial<Record<MediumKind, ReceiverStats>> {
    return Object.fromEntries(this.listening.map(({ medium, receiver }) => [medium.kind, receiver.stats]));
  }

  get lastAt(): number {
    return Math.max(...this.listening.map(({ receiver }) => receiver.lastAt));
  }

  close(): void {
    clearInterval(this.#timer);
    for (const { ports } of this.listening) ports.close();
  }
}

function listen(medium: RtpMedium, ports: PortPair, options: RtpSourceOptions, handlers: SourceHandlers): Listening {
  const { from, maxBitsPerSecond } = options;
  let sender: RemoteInfo | undefined;
  /** Where the sender sent RTCP from. */
  let control: { readonly remote: RemoteInfo; readonly atControlPort: boolean } | undefined;
  const receiver: RtpReceiver = new RtpReceiver({
    payloadType: medium.payloadType,
    clockRate: clockRates[medium.codec],
    nack: true,
    maxBitsPerSecond,
    sendRtcp: (packet) => {
      if (!sender) return;
      const { port } = control?.remote ?? sender;
      ports.send(packet, medium.rtcpPort ?? port, sender.address, control?.atControlPort ?? true);
    },
    onPacket: (packet, now) => handlers.onPacket(medium.kind, packet, now),
  });
  ports.onDatagram = (datagram, remote, atControlPort) => {
    // Port 0 cannot be answered: RFC 768 uses it where no reply is expected.
    if (remote.port === 0) return;
    const now = performance.now();
    if (from !== undefined && remote.address !== from) return;
    if (sender && sender.address !== remote.address && now - receiver.lastAt < addressSilentMs) return;
    if (!receiver.receive(datagram, now)) return;
    if (isRtcp(datagram)) {
      if (sender?.address === remote.address) control = { remote, atControlPort };
    } else {
      if (sender && sender.address !== remote.address) control = undefined;
      sender = remote;
    }
  };
  return { medium, ports, receiver };
}
