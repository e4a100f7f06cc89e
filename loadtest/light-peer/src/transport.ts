import type { DtlsParameters, TransportParameters } from '@flotilla/contracts';
import nodeDataChannel, { type PeerConnection, type Track } from 'node-datachannel';
import { answerOf, dtlsParametersOf, mid, payloadType } from './sdp.ts';

const connectWithinMs = 10_000;

/**
 * Our end of one mediasoup WebRtcTransport: ICE, DTLS and SRTP by libdatachannel, without any codec. It has one media section,
 * and libdatachannel gives that all that comes, whatever its SSRC and payload type; so streams are added and taken away
 * without another offer and answer.
 */
export class LightTransport {
  #closed = false;

  private constructor(
    private readonly connection: PeerConnection,
    private readonly track: Track,
  ) {}

  /**
   * Resolves when packets can go through. Rejects when there is no path within ten seconds.
   *
   * @param connect hands our DTLS parameters in; the server must have them before our first packet.
   */
  static async open(options: {
    readonly parameters: TransportParameters;
    readonly direction: 'send' | 'recv';
    readonly connect: (dtlsParameters: DtlsParameters) => Promise<unknown>;
    readonly onPacket: (packet: Buffer) => void;
  }): Promise<LightTransport> {
    const { parameters, direction, connect, onPacket } = options;
    const connection = new nodeDataChannel.PeerConnection(parameters.id, {
      iceServers: [],
      disableAutoNegotiation: true,
    });
    const media = new nodeDataChannel.Video(mid, direction === 'send' ? 'SendOnly' : 'RecvOnly');
    media.addVP8Codec(payloadType);
    const track = connection.addTrack(media);
    track.onMessage(onPacket);
    const transport = new LightTransport(connection, track);
    let timer: NodeJS.Timeout | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        timer = setTimeout(() => reject(new Error(`no path within ${connectWithinMs} ms`)), connectWithinMs);
        track.onOpen(resolve);
        connection.onStateChange((state) => {
          if (state === 'failed' || state === 'closed') reject(new Error(`the transport is ${state}`));
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

  /** Sends an RTP or RTCP packet; once it is closed, nothing. */
  send(packet: Buffer): void {
    if (!this.#closed && this.track.isOpen()) this.track.sendMessageBinary(packet);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.connection.close();
  }
}

/** Ends the threads of libdatachannel, without which the process does not end. To be called when all transports are closed. */
export function endTransports(): void {
  nodeDataChannel.cleanup();
}
