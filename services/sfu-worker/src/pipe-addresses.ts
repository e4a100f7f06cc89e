import { SocketAddress, isIPv6 } from 'node:net';
import { FlotillaError } from '@flotilla/contracts';
import type { NodeStore } from '@flotilla/store';

/**
 * Compares the endpoints of pipes in commands with what nodes report of themselves, so that a forged command does not make a node send
 * media to any address.
 */
export class PipeAddresses {
  constructor(private readonly nodes: Pick<NodeStore, 'get'>) {}

  /**
   * Throws NODE_UNAVAILABLE for a node that is not in the store, FORBIDDEN for an endpoint that is not at its address and ports.
   * Nodes of a version that reports no address are believed.
   */
  async check(nodeId: string, { ip, port }: { readonly ip: string; readonly port: number }): Promise<void> {
    const report = await this.nodes.get(nodeId);
    if (!report) throw new FlotillaError('NODE_UNAVAILABLE', `${nodeId} reports no heartbeats`);
    if (!report.pipes) return;
    const { ip: reported, ports = { min: 1, max: 65_535 } } = report.pipes;
    if (normalized(ip) === normalized(reported) && port >= ports.min && port <= ports.max) return;
    throw new FlotillaError(
      'FORBIDDEN',
      `${nodeId} receives pipes at ${reported}, ports ${ports.min} to ${ports.max}, not at ${ip}:${port}`,
    );
  }
}

/** An IPv6 address has several spellings. */
const normalized = (ip: string): string =>
  isIPv6(ip) ? new SocketAddress({ address: ip, family: 'ipv6' }).address : ip;
