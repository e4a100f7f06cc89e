import { type CommandPayload, type CommandReply, FlotillaError } from '@flotilla/contracts';
import type { PipeTransport, Router } from 'mediasoup/types';
import type { PipeToOtherNode } from '../quality/room-meter.ts';
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
  subscribedLayers(
    nodeId: string,
    payload: CommandPayload<'sfu.subscribed_layers'>,
  ): Promise<CommandReply<'sfu.subscribed_layers'>>;
}

export type PipeEndpoint = CommandReply<'sfu.open_pipe'>['endpoint'];
export type PipedPublication = CommandReply<'sfu.pipe_publication'>;

/** The address that a node's pipes listen on. Only other nodes send to it. */
export interface PipeListen {
  readonly ip: string;
  readonly announcedAddress?: string | undefined;
  /** The ports to listen on, one for each pipe, both ends included. Default: any. */
  readonly ports?: { readonly min: number; readonly max: number } | undefined;
}

/**
 * Opens one end of a pipe between two nodes: encrypted, as hosts are apart, with retransmission of lost packets.
 *
 * @throws FlotillaError NO_CAPACITY when all ports of the range are taken.
 */
export async function openPipeTransport(
  router: Router,
  { ip, announcedAddress, ports }: PipeListen,
): Promise<{ transport: PipeTransport; endpoint: PipeEndpoint }> {
  const transport = await router
    .createPipeTransport({
      listenInfo: {
        protocol: 'udp',
        ip,
        ...(announcedAddress && { announcedAddress }),
        ...(ports && { portRange: ports }),
        recvBufferSize: udpReceiveBufferBytes,
      },
      enableSrtp: true,
      enableRtx: true,
      appData: { isToOtherNode: true } satisfies PipeToOtherNode,
    })
    .catch((error: Error) => {
      if (!ports || !error.message.includes('no more available ports')) throw error;
      throw new FlotillaError(
        'NO_CAPACITY',
        `the ${ports.max - ports.min + 1} ports for media of other nodes are taken: widen FLOTILLA_SFU_PIPE_PORTS`,
        { cause: error },
      );
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
