import {
  type MediaSessionParameters,
  type ReplyPayload,
  type RequestPayload,
  type Subscription,
} from '@flotilla/contracts';
import { createWorker } from 'mediasoup';
import type { Consumer, Producer, Router, WebRtcServer, WebRtcTransport, Worker } from 'mediasoup/types';
import type { RoomRequest } from '@flotilla/edge-peer';

/** A mediasoup worker that answers the requests of a link, without the rest of a fleet. */
export class MediaServer {
  readonly producers = new Map<string, Producer>();
  readonly consumers: Consumer[] = [];

  private constructor(
    readonly worker: Worker,
    readonly router: Router,
    private readonly webRtcServer: WebRtcServer,
  ) {}

  static async start(): Promise<MediaServer> {
    const worker = await createWorker();
    const router = await worker.createRouter({
      mediaCodecs: [
        { kind: 'audio', mimeType: 'audio/opus', clockRate: 48_000, channels: 2 },
        { kind: 'video', mimeType: 'video/VP8', clockRate: 90_000 },
      ],
    });
    const webRtcServer = await worker.createWebRtcServer({ listenInfos: [{ protocol: 'udp', ip: '127.0.0.1' }] });
    return new MediaServer(worker, router, webRtcServer);
  }

  /** Creates the transports of a session, and a function that answers its requests. */
  async session(): Promise<{
    media: MediaSessionParameters;
    request: RoomRequest;
    send: WebRtcTransport;
    recv: WebRtcTransport;
  }> {
    const { router, webRtcServer } = this;
    const [send, recv] = await Promise.all([
      router.createWebRtcTransport({ webRtcServer }),
      router.createWebRtcTransport({ webRtcServer }),
    ]);
    const handlers: { [type: string]: (payload: never) => Promise<unknown> } = {
      connect_transport: async ({ transportId, dtlsParameters }: RequestPayload<'connect_transport'>) => {
        const transport = [send, recv].find(({ id }) => id === transportId)!;
        await transport.connect({
          dtlsParameters: dtlsParameters as Parameters<WebRtcTransport['connect']>[0]['dtlsParameters'],
        });
        return {};
      },
      publish: async ({ kind, rtpParameters, publicationId }: RequestPayload<'publish'>) => {
        const producer = await send.produce({ kind, rtpParameters: rtpParameters as Producer['rtpParameters'] });
        const id = publicationId ?? `pub_${this.producers.size}`;
        this.producers.set(id, producer);
        return { publication: { id, producerId: producer.id } };
      },
      update_subscriptions: async () => {
        for (const consumer of this.consumers) await consumer.resume();
        return {};
      },
    };
    const request: RoomRequest = (type, payload) =>
      handlers[type]!(payload as never) as Promise<ReplyPayload<typeof type>>;
    const parameters = ({ id, iceParameters, iceCandidates, dtlsParameters }: WebRtcTransport) => ({
      id,
      iceParameters,
      iceCandidates,
      dtlsParameters,
    });
    const media = { nodeId: 'nd_test', send: parameters(send), recv: parameters(recv), subscriptions: [] };
    return { media, request, send, recv };
  }

  async subscribe(recv: WebRtcTransport, publicationId: string): Promise<Subscription> {
    const consumer = await recv.consume({
      producerId: this.producers.get(publicationId)!.id,
      rtpCapabilities: this.router.rtpCapabilities,
      paused: recv.dtlsState !== 'new',
    });
    this.consumers.push(consumer);
    const { id, producerId, kind, rtpParameters, paused } = consumer;
    return {
      publicationId,
      consumerId: id,
      producerId,
      kind,
      rtpParameters: rtpParameters as Subscription['rtpParameters'],
      type: 'simple',
      paused,
    };
  }

  close(): void {
    this.worker.close();
  }
}
