import type {
  MediaSessionParameters,
  ReplyPayload,
  RequestPayload,
  RtpParameters,
  Subscription,
} from '@flotilla/contracts';
import { createWorker } from 'mediasoup';
import type { Producer, WebRtcTransport } from 'mediasoup/types';
import { receivable, serve, type Side } from './serve.ts';

/** The reference: bare mediasoup with a worker, a router and two transports per session, without statistics. */
const worker = await createWorker({ logLevel: 'none' });
const router = await worker.createRouter({
  mediaCodecs: [
    {
      kind: 'audio',
      mimeType: 'audio/opus',
      clockRate: 48_000,
      channels: 2,
      parameters: { useinbandfec: 1, usedtx: 1 },
    },
    { kind: 'video', mimeType: 'video/VP8', clockRate: 90_000 },
  ],
});
const webRtcServer = await worker.createWebRtcServer({
  // The receive buffer of the SFU node: packets lost here would not cost CPU.
  listenInfos: [{ protocol: 'udp', ip: '127.0.0.1', recvBufferSize: 2 ** 21 }],
});
const rtpCapabilities = receivable(router.rtpCapabilities as Parameters<typeof receivable>[0]) as never;
const sessions = new Map<number, readonly WebRtcTransport[]>();
const producers: Producer[] = [];

const parametersOf = ({ id, iceParameters, iceCandidates, dtlsParameters }: WebRtcTransport) => ({
  id,
  iceParameters,
  iceCandidates,
  dtlsParameters,
});

const side: Side = {
  open: async (index): Promise<MediaSessionParameters> => {
    const [send, recv] = await Promise.all([
      router.createWebRtcTransport({ webRtcServer }),
      router.createWebRtcTransport({ webRtcServer }),
    ]);
    sessions.set(index, [send, recv]);
    const subscriptions = await Promise.all(
      producers.map(async (producer): Promise<Subscription> => {
        const consumer = await recv.consume({ producerId: producer.id, rtpCapabilities });
        return {
          publicationId: producer.id,
          consumerId: consumer.id,
          producerId: producer.id,
          kind: producer.kind,
          rtpParameters: consumer.rtpParameters as RtpParameters,
          type: consumer.type,
          paused: false,
        };
      }),
    );
    return { nodeId: 'bare', send: parametersOf(send), recv: parametersOf(recv), subscriptions };
  },
  request: async (index, type, payload) => {
    const [send, recv] = sessions.get(index)!;
    if (type === 'connect_transport') {
      const { transportId, dtlsParameters } = payload as RequestPayload<'connect_transport'>;
      await (transportId === send!.id ? send! : recv!).connect({ dtlsParameters: dtlsParameters as never });
      return {} as ReplyPayload<typeof type>;
    }
    if (type !== 'publish') throw new Error(`bare mediasoup has no ${type}`);
    const { kind, rtpParameters } = payload as RequestPayload<'publish'>;
    const producer = await send!.produce({ kind, rtpParameters: rtpParameters as Producer['rtpParameters'] });
    producers.push(producer);
    return { publication: { id: producer.id, producerId: producer.id } } as ReplyPayload<typeof type>;
  },
  close: async () => worker.close(),
};
serve(side);
