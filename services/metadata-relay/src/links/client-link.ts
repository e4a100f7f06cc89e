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
 * How the worker sends on each channel. mediasoup 3.27.1 gives every unordered message a lifetime, 0 ms when none is set, and a
 * message that may not live is neither queued nor sent again (worker/src/RTC/Transport.cpp, SendSctpMessage): so `limited`
 * is ordered here, which sends until it is there, and `unreliable` has a lifetime, with which the worker sends each once.
 */
const sending: Readonly<Record<ChannelKind, { ordered: boolean; maxPacketLifeTime?: number }>> = {
  reliable: { ordered: true },
  limited: { ordered: true },
  unreliable: { ordered: false, maxPacketLifeTime: 10_000 },
};

/** Carried by every channel and used by nobody: a channel without any subchannel would get all messages. */
const nobody = 0;
/** A client that is silent for this long is gone; s. */
const consentSeconds = 10;

export interface LinkEvents {
  readonly onReady: () => void;
  readonly onFrame: (channel: ChannelKind, frame: Buffer) => void;
  readonly onOverflow: (channel: ChannelKind) => void;
  /** The connection is gone, or was closed. Once. */
  readonly onClosed: () => void;
}

/** A client's connection: a WebRTC transport with three data channels, each used both ways. */
export class ClientLink {
  #closed = false;

  private constructor(
    readonly id: string,
    private readonly transport: WebRtcTransport,
    private readonly outgoing: Readonly<Record<ChannelKind, DataConsumer>>,
    private readonly events: LinkEvents,
  ) {}

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
      // Above what it ever reaches: else the worker tells this process of each message that each subscriber was sent.
      sctpDefaultStreamBufferedAmountLowThreshold: 2_000_000,
    });
    try {
      // The server's end of a channel and the client's have one id, so that each is one data channel of the client.
      const outgoing = {} as Record<ChannelKind, DataConsumer>;
      for (const kind of channelKinds) {
        const consumer = await transport.consumeData({
          dataProducerId: source.id,
          ...sending[kind],
          subchannels: [nobody],
        });
        // mediasoup gives the lowest id that is free.
        const { streamId } = consumer.sctpStreamParameters!;
        if (streamId !== channelIds[kind]) throw new Error(`the ${kind} channel has id ${streamId}`);
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

  get parameters(): Omit<MetadataSession, 'relayId' | 'limits'> {
    const { id, iceParameters, iceCandidates, dtlsParameters, sctpParameters } = this.transport;
    return {
      transport: { id, iceParameters, iceCandidates, dtlsParameters },
      sctp: { port: sctpParameters!.port, maxMessageSize: maxMetadataFrameBytes },
    };
  }

  // The worker answers requests in the order they are written, and what is sent in between stays in between. A request that
  // fails met a connection that is closing.

  send(channel: ChannelKind, frame: Uint8Array): void {
    this.outgoing[channel].send(asBuffer(frame)).catch(ignore);
  }

  carry(channel: ChannelKind, subchannel: number, on: boolean): void {
    const consumer = this.outgoing[channel];
    (on ? consumer.addSubchannel(subchannel) : consumer.removeSubchannel(subchannel)).catch(ignore);
  }

  hold(channel: ChannelKind, held: boolean): void {
    const consumer = this.outgoing[channel];
    (held ? consumer.pause() : consumer.resume()).catch(ignore);
  }

  /** Bytes that wait to be sent. */
  backlog(channel: ChannelKind): Promise<number> {
    return this.outgoing[channel].getBufferedAmount();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.transport.close();
    this.events.onClosed();
  }
}

export const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);

const ignore = (): void => undefined;
