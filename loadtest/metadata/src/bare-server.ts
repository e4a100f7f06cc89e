// mediasoup alone: what the publisher sends goes from its transport to those of the subscribers within the worker.
import { channelIds, type DtlsParameters, type MetadataSession } from '@flotilla/contracts';
import { createWorker } from 'mediasoup';
import type { DataProducer } from 'mediasoup/types';

const worker = await createWorker({ logLevel: 'warn' });
const webRtcServer = await worker.createWebRtcServer({ listenInfos: [{ protocol: 'udp', ip: '127.0.0.1' }] });
const router = await worker.createRouter();
let source: DataProducer | undefined;

interface Ask {
  readonly id: number;
  readonly role: string;
  readonly dtlsParameters: DtlsParameters;
}

async function open({ role, dtlsParameters }: Ask): Promise<MetadataSession> {
  const transport = await router.createWebRtcTransport({ webRtcServer, enableSctp: true });
  if (role === 'publisher')
    source = await transport.produceData({
      sctpStreamParameters: { streamId: channelIds.limited, ordered: false, maxRetransmits: 3 },
    });
  else {
    // The lowest id that is free is given: the second is that of the channel the load takes.
    for (let count = 0; count <= channelIds.limited; count++)
      await transport.consumeData({
        dataProducerId: source!.id,
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

process.on('message', (ask: Ask) => {
  void open(ask).then((session) => process.send!({ id: ask.id, session }));
});
process.on('disconnect', () => {
  worker.close();
  process.exit();
});
process.send!({ ready: true });
