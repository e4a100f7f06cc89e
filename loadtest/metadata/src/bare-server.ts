// The reference: mediasoup alone, which forwards data messages from the publisher to the subscribers within its worker.
import { channelIds, type DtlsParameters, type MetadataSession } from '@flotilla/contracts';
import { createWorker } from 'mediasoup';
import type { DataProducer } from 'mediasoup/types';

const worker = await createWorker({ logLevel: 'warn' });
const webRtcServer = await worker.createWebRtcServer({ listenInfos: [{ protocol: 'udp', ip: '127.0.0.1' }] });
const router = await worker.createRouter();
/** The publisher's producer of each room. */
const sources = new Map<string, DataProducer>();

interface ConnectRequest {
  readonly id: number;
  readonly role: string;
  readonly room: string;
  readonly dtlsParameters: DtlsParameters;
}

async function open({ role, room, dtlsParameters }: ConnectRequest): Promise<MetadataSession> {
  const transport = await router.createWebRtcTransport({ webRtcServer, enableSctp: true });
  if (role === 'publisher')
    sources.set(
      room,
      await transport.produceData({
        sctpStreamParameters: { streamId: channelIds.limited, ordered: false, maxRetransmits: 3 },
      }),
    );
  else {
    // mediasoup assigns the lowest free stream id; paused consumers take the ids below that of the channel under load.
    for (let count = 0; count <= channelIds.limited; count++)
      await transport.consumeData({
        dataProducerId: sources.get(room)!.id,
        ordered: true,
        paused: count < channelIds.limited,
      });
  }
  await transport.connect({
    dtlsParameters: dtlsParameters as Parameters<typeof transport.connect>[0]['dtlsParameters'],
  });
  const { id, iceParameters, iceCandidates, sctpParameters } = transport;
  return {
    relayId: 'rl_bare',
    transport: { id, iceParameters, iceCandidates, dtlsParameters: transport.dtlsParameters },
    sctp: { port: sctpParameters!.port, maxMessageSize: sctpParameters!.maxReceiveMessageSize },
    limits: { framesPerSecond: 10_000, bytesPerSecond: 100_000_000 },
  };
}

process.on('message', (request: ConnectRequest) => {
  void open(request).then((session) => process.send!({ id: request.id, session }));
});
process.on('disconnect', () => {
  worker.close();
  process.exit();
});
process.send!({ ready: true });
