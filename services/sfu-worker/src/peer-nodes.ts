import type { CommandBus } from '@flotilla/bus';
import { FlotillaError, sfuQueue } from '@flotilla/contracts';
import type { PeerNodes } from '@flotilla/media';
import type { NodeStore } from '@flotilla/store';

/** Sessions wait for these commands while they open their media, which has to be answered within 4 s. */
const timeoutMs = 1500;
/** A node is not asked for a pipe when its last heartbeat is this much older than the newest of any node, in milliseconds. */
const silentMs = 2000;

/**
 * Commands to other SFU nodes. A node whose heartbeats stopped gets none: until the broker notices that its machine lost its power
 * or its network, commands to it wait in its queue, and what waits for them would be as dead as the node.
 */
export function peerNodes(bus: CommandBus, nodes: Pick<NodeStore, 'deadOf'>): PeerNodes {
  const requireHeartbeats = async (nodeId: string): Promise<void> => {
    if ((await nodes.deadOf([nodeId], silentMs)).length > 0)
      throw new FlotillaError('NODE_UNAVAILABLE', `${nodeId} sends no heartbeats`);
  };
  return {
    openPipe: async (nodeId, payload) => {
      await requireHeartbeats(nodeId);
      return bus.call(sfuQueue(nodeId), 'sfu.open_pipe', payload, { timeoutMs });
    },
    pipePublication: (nodeId, payload) => bus.call(sfuQueue(nodeId), 'sfu.pipe_publication', payload, { timeoutMs }),
    unpipePublication: (nodeId, payload) =>
      bus.call(sfuQueue(nodeId), 'sfu.unpipe_publication', payload, { timeoutMs }),
  };
}
