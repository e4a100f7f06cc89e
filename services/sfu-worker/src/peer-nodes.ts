import type { CommandBus } from '@flotilla/bus';
import { FlotillaError, sfuQueue } from '@flotilla/contracts';
import type { PeerNodes } from '@flotilla/media';

/** Timeout of each command, in milliseconds. Opening a session's media, which waits for them, must be answered within 4 s. */
const timeoutMs = 1500;
/**
 * Commands to other SFU nodes. A node whose heartbeats stopped gets no request for a pipe: while the broker has not detected that its
 * machine failed, commands wait in its queue, and the sessions here that need the pipe wait with them.
 *
 * @param staleNodes the nodes whose heartbeats stopped, as of this node's own last one.
 */
export function peerNodes(bus: CommandBus, staleNodes: ReadonlySet<string>): PeerNodes {
  return {
    openPipe: async (nodeId, payload) => {
      if (staleNodes.has(nodeId)) throw new FlotillaError('NODE_UNAVAILABLE', `${nodeId} sends no heartbeats`);
      return bus.call(sfuQueue(nodeId), 'sfu.open_pipe', payload, { timeoutMs });
    },
    pipePublication: (nodeId, payload) => bus.call(sfuQueue(nodeId), 'sfu.pipe_publication', payload, { timeoutMs }),
    unpipePublication: (nodeId, payload) =>
      bus.call(sfuQueue(nodeId), 'sfu.unpipe_publication', payload, { timeoutMs }),
  };
}
