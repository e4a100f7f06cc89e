import type { CommandBus } from '@flotilla/bus';
import { sfuQueue } from '@flotilla/contracts';
import type { PeerNodes } from '@flotilla/media';

/** Commands to other SFU nodes, with the command bus's deadline. */
export function peerNodes(bus: CommandBus): PeerNodes {
  return {
    openPipe: (nodeId, payload) => bus.call(sfuQueue(nodeId), 'sfu.open_pipe', payload),
    pipePublication: (nodeId, payload) => bus.call(sfuQueue(nodeId), 'sfu.pipe_publication', payload),
    unpipePublication: (nodeId, payload) => bus.call(sfuQueue(nodeId), 'sfu.unpipe_publication', payload),
  };
}
