import {
  channelIds,
  type ChannelKind,
  channelKinds,
  maxMetadataFrameBytes,
  type MetadataSession,
} from '@flotilla/contracts';
import type {
  DataConsumer,
  DataProducer,
  DirectTransport,
  DtlsParameters,
  Router,
  WebRtcServer,
  WebRtcTransport,
} from 'mediasoup/types';

/**
 * SCTP parameters of each channel. mediasoup 3.27.1 gives every unordered message a lifetime, 0 ms by default, and neither queues nor
 * retransmits a message whose lifetime is over (worker/src/RTC/Transport.cpp, SendSctpMessage). Therefore `limited` is ordered, that
 * is, retransmitted until it arrives, and `unreliable` has a lifetime, with which the worker sends each message once.
 */
const sending: Readonly<Record<ChannelKind, { ordered: boolean; maxPacketLifeTime?: number }>> = {
  reliable: { ordered: true },
  limited: { ordered: true },
  unreliable: { ordered: false, maxPacketLifeTime: 10_000 },
};

/** Unused subchannel that every channel has: a channel without subchannels would get all messages. */
const unusedSubchannel = 0;
/** ICE consent timeout, in seconds, after which the link is closed. */
const consentSeconds = 10;

export interface LinkEvents {
  /** The data channels are open. */
  readonly onReady: () => void;
  readonly onFrame: (channel: ChannelKind, frame: Buffer) => void;
  /** The worker dropped messages because the send buffer of the channel is full. */
  readonly onOverflow: (channel: ChannelKind) => void;
  /** The link was closed or lost its connection. Called once. */
  readonly onClosed: () => void;
}

/** A client's link: a WebRTC transport with three bidirectional data channels. */
export class ClientLink {
  #closed = false;

  private constructor(
    readonly id: string,
    private readonly transport: WebRtcTransport,
    private readonly outgoing: Readonly<Record<ChannelKind, DataConsumer>>,
    private readonly events: LinkEvents,
  ) {}

  /** Creates the transport and its channels. Throws a TypeError when mediasoup refuses the DTLS parameters. */
  static async open(options: {
    id: string;
    router: Router;
    webRtcServer: WebRtcServer;
    direct: DirectTransport;
    source: DataProducer;
    dtlsParameters: DtlsParameters;
    events: LinkEvents;
  }): Promise<ClientLink> {
    const { id, router, webRtcServer, direct, source, dtlsParameters, events } = options;
    const transport = await router.createWebRtcTransport({
      webRtcServer,
      enableUdp: true,
      enableTcp: true,
      preferUdp: true,
      enableSctp: true,
      maxSendMessageSize: maxMetadataFrameBytes,
      maxReceiveMessageSize: maxMetadataFrameBytes,
      iceConsentTimeout: consentSeconds,
      // Above the maximum buffered amount: below it the worker would notify this process of every message sent to a subscriber.
      sctpDefaultStreamBufferedAmountLowThreshold: 2_000_000,
    });
    try {
      // Both directions of a channel use the same SCTP stream id, so that they are one data channel at the client.
      const outgoing = {} as Record<ChannelKind, DataConsumer>;
      for (const kind of channelKinds) {
        const consumer = await transport.consumeData({
          dataProducerId: source.id,
          ...sending[kind],
          subchannels: [unusedSubchannel],
        });
        // mediasoup assigns the lowest free id.
        const { streamId } = consumer.sctpStreamParameters!;
        if (streamId !== channelIds[kind])
          throw new Error(`mediasoup assigned id ${streamId} to the ${kind} channel instead of ${channelIds[kind]}`);
        outgoing[kind] = consumer;
        const incoming = await transport.produceData({ sctpStreamParameters: { streamId, ...sending[kind] } });
        const tap = await direct.consumeData({ dataProducerId: incoming.id });
        tap.on('message', (frame) => events.onFrame(kind, frame));
        consumer.on('sctpsendbufferfull', () => events.onOverflow(kind));
      }
      const link = new ClientLink(id, transport, outgoing, events);
      transport.on('sctpstatechange', (state) => {
        if (state === 'connected') events.onReady();
        if (state === 'closed' || state === 'failed') link.close();
      });
      transport.on('dtlsstatechange', (state) => {
        if (state === 'closed' || state === 'failed') link.close();
      });
      transport.on('icestatechange', (state) => {
        if (state === 'disconnected' || state === 'closed') link.close();
      });
      transport.observer.once('close', () => link.close());
      await transport.connect({ dtlsParameters });
      return link;
    } catch (error) {
      transport.close();
      throw error;
    }
  }

  /** What the client needs to connect. */
  get parameters(): Omit<MetadataSession, 'relayId' | 'limits'> {
    const { id, iceParameters, iceCandidates, dtlsParameters, sctpParameters } = this.transport;
    return {
      transport: { id, iceParameters, iceCandidates, dtlsParameters },
      sctp: { port: sctpParameters!.port, maxMessageSize: maxMetadataFrameBytes },
    };
  }

  // The worker processes requests and messages in the order in which they are written. A request fails only while the link closes.

  /** Sends a frame to this client alone. */
  send(channel: ChannelKind, frame: Uint8Array): void {
    this.outgoing[channel].send(asBuffer(frame)).catch(ignore);
  }

  addSubchannel(channel: ChannelKind, subchannel: number): void {
    this.outgoing[channel].addSubchannel(subchannel).catch(ignore);
  }

  removeSubchannel(channel: ChannelKind, subchannel: number): void {
    this.outgoing[channel].removeSubchannel(subchannel).catch(ignore);
  }

  /** Stops the fan-out to a channel. */
  pause(channel: ChannelKind): void {
    this.outgoing[channel].pause().catch(ignore);
  }

  resume(channel: ChannelKind): void {
    this.outgoing[channel].resume().catch(ignore);
  }

  /** Bytes in the send buffer of a channel. */
  bufferedAmount(channel: ChannelKind): Promise<number> {
    return this.outgoing[channel].getBufferedAmount();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.transport.close();
    this.events.onClosed();
  }
}

/** A Buffer over the same memory. */
export const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);

const ignore = (): void => undefined;
