import type { CommandPayload, CommandReply } from '@flotilla/contracts';
import type { PipeTransport, Router } from 'mediasoup/types';
import { udpReceiveBufferBytes } from '../worker-pool.ts';

/** Commands to other SFU nodes. They reject with FlotillaErrors, DEADLINE_EXCEEDED among them. */
export interface PeerNodes {
  openPipe(nodeId: string, payload: CommandPayload<'sfu.open_pipe'>): Promise<CommandReply<'sfu.open_pipe'>>;
  pipePublication(
    nodeId: string,
    payload: CommandPayload<'sfu.pipe_publication'>,
  ): Promise<CommandReply<'sfu.pipe_publication'>>;
  unpipePublication(
    nodeId: string,
    payload: CommandPayload<'sfu.unpipe_publication'>,
  ): Promise<CommandReply<'sfu.unpipe_publication'>>;
}

export type PipeEndpoint = CommandReply<'sfu.open_pipe'>['endpoint'];

/** The address that a node's pipes listen on. Only other nodes send to it. */
export interface PipeListen {
  readonly ip: string;
  readonly announcedAddress?: string | undefined;
}

/** Opens one end of a pipe between two nodes: encrypted, as hosts are apart, with retransmission of lost packets. */
export async function openPipeTransport(
  router: Router,
  { ip, announcedAddress }: PipeListen,
): Promise<{ transport: PipeTransport; endpoint: PipeEndpoint }> {
  const transport = await router.createPipeTransport({
    listenInfo: {
      protocol: 'udp',
      ip,
      ...(announcedAddress && { announcedAddress }),
      recvBufferSize: udpReceiveBufferBytes,
    },
    enableSrtp: true,
    enableRtx: true,
  });
  const { cryptoSuite, keyBase64 } = transport.srtpParameters!;
  const endpoint = {
    ip: transport.tuple.localAddress,
    port: transport.tuple.localPort,
    srtpParameters: { cryptoSuite, keyBase64 },
  };
  return { transport, endpoint };
}

export function connectPipeTransport(
  transport: PipeTransport,
  { ip, port, srtpParameters }: PipeEndpoint,
): Promise<void> {
  return transport.connect({
    ip,
    port,
    srtpParameters: srtpParameters as NonNullable<PipeTransport['srtpParameters']>,
  });
}
