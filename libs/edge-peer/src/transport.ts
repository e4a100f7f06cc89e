import type { DtlsParameters, IceServer, TransportParameters } from '@flotilla/contracts';
import nodeDataChannel, { type IceServer as TurnServer, type PeerConnection, type Track } from 'node-datachannel';
import { answerOf, dtlsParametersOf, mid, payloadType } from './sdp.ts';

const connectTimeoutMs = 10_000;

/**
 * The client's end of a mediasoup WebRtcTransport: ICE, DTLS and SRTP by libdatachannel, without codecs. libdatachannel passes all
 * packets to the only media section, whatever their SSRC and payload type, so streams are added and removed without renegotiation.
 */
export class PeerTransport {
  #closed = false;

  private constructor(
    private readonly connection: PeerConnection,
    private readonly track: Track,
  ) {}

  /**
   * Connects. Rejects after 10 s without a connection.
   *
   * @param connect sends the client's DTLS parameters to the server, which needs them before the first packet.
   */
  static async open(options: {
    readonly parameters: TransportParameters;
    readonly direction: 'send' | 'recv';
    readonly connect: (dtlsParameters: DtlsParameters) => Promise<unknown>;
    readonly onPacket: (packet: Buffer) => void;
    /** The connection failed after it was open. */
    readonly onLost?: () => void;
    /** TURN servers; the transport uses them alone. Default: it connects directly. */
    readonly relays?: readonly IceServer[] | undefined;
  }): Promise<PeerTransport> {
    const { parameters, direction, connect, onPacket, onLost, relays } = options;
    const connection = new nodeDataChannel.PeerConnection(parameters.id, {
      iceServers: relays?.flatMap(turnServers) ?? [],
      iceTransportPolicy: relays ? 'relay' : 'all',
      disableAutoNegotiation: true,
    });
    const media = new nodeDataChannel.Video(mid, direction === 'send' ? 'SendOnly' : 'RecvOnly');
    media.addVP8Codec(payloadType);
    const track = connection.addTrack(media);
    track.onMessage(onPacket);
    const transport = new PeerTransport(connection, track);
    let timer: NodeJS.Timeout | undefined;
    let isOpen = false;
    try {
      await new Promise<void>((resolve, reject) => {
        timer = setTimeout(
          () => reject(new Error(`transport not connected within ${connectTimeoutMs} ms`)),
          connectTimeoutMs,
        );
        track.onOpen(() => {
          isOpen = true;
          resolve();
        });
        connection.onStateChange((state) => {
          if (state !== 'failed' && state !== 'closed') return;
          if (isOpen && !transport.#closed) onLost?.();
          reject(new Error(`the transport is ${state}`));
        });
        connection.onLocalDescription((offer) => {
          connect(dtlsParametersOf(offer)).then(() => {
            if (!transport.#closed)
              connection.setRemoteDescription(
                answerOf(parameters, direction === 'send' ? 'recvonly' : 'sendonly'),
                'answer',
              );
          }, reject);
        });
        connection.setLocalDescription('offer');
      });
    } catch (error) {
      transport.close();
      throw error;
    } finally {
      clearTimeout(timer);
    }
    return transport;
  }

  /** Sends an RTP or RTCP packet. No-op when closed. */
  send(packet: Buffer): void {
    if (!this.#closed && this.track.isOpen()) this.track.sendMessageBinary(packet);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.connection.close();
  }
}

/** The TURN servers over UDP: libjuice has no others. */
const turnServers = ({ urls, username, credential: password }: IceServer): TurnServer[] =>
  urls.flatMap((url) => {
    const [, hostname, port] = /^turn:(.+?):(\d+)(?:\?transport=udp)?$/.exec(url) ?? [];
    return hostname && port
      ? [{ hostname, port: Number(port), username, password, relayType: 'TurnUdp' as const }]
      : [];
  });

/** Ends the threads of libdatachannel, which keep the process alive. To be called after all transports are closed. */
export function endTransports(): void {
  nodeDataChannel.cleanup();
}
