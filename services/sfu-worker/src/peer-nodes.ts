import type { CommandBus } from '@flotilla/bus';
import { sfuQueue } from '@flotilla/contracts';
import type { PeerNodes } from '@flotilla/media';
import type { PipeAddresses } from './pipe-addresses.ts';
import type { StaleNodes } from './stale-nodes.ts';

/** Timeout of each command, in milliseconds. Opening a session's media, which waits for them, must be answered within 4 s. */
const timeoutMs = 1500;

/**
 * Commands to other SFU nodes. No answer to a request for media is awaited from a node whose heartbeats stopped: while the broker has
 * not detected that its machine failed, commands wait in its queue, and the sessions here that need the media wait with them.
 */
export function peerNodes(bus: CommandBus, staleNodes: StaleNodes, addresses: Pick<PipeAddresses, 'check'>): PeerNodes {
  return {
    openPipe: async (nodeId, payload) => {
      const open = () => bus.call(sfuQueue(nodeId), 'sfu.open_pipe', payload, { timeoutMs });
      const reply = await staleNodes.answerOf(nodeId, open);
      await addresses.check(nodeId, reply.endpoint);
      return reply;
    },
    pipePublication: (nodeId, payload) =>
      staleNodes.answerOf(nodeId, () => bus.call(sfuQueue(nodeId), 'sfu.pipe_publication', payload, { timeoutMs })),
    unpipePublication: (nodeId, payload) =>
      bus.call(sfuQueue(nodeId), 'sfu.unpipe_publication', payload, { timeoutMs }),
    subscribedLayers: (nodeId, payload) => bus.call(sfuQueue(nodeId), 'sfu.subscribed_layers', payload, { timeoutMs }),
  };
}
