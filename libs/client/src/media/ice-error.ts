import { FlotillaError, type MediaSessionParameters } from '@flotilla/contracts';

/**
 * Time for an ICE connection, in milliseconds, after which it counts as failed. Chromium 156 reports no failure at all when no
 * pair of candidates can be formed: the connection stays in the state `new`.
 */
export const iceConnectsWithinMs = 20_000;

/** An ICE candidate of an SFU node. */
export type IceAddress = MediaSessionParameters['recv']['iceCandidates'][number];

const isLoopback = ({ address }: IceAddress): boolean => address === '::1' || address.startsWith('127.');

/** ICE_FAILED of a connection to an SFU node: names the addresses that were tried, and the cure. */
export function sfuIceError(nodeId: string, addresses: readonly IceAddress[]): FlotillaError {
  const tried = addresses.map(({ address, port, protocol }) => `${protocol} ${address}:${port}`).join(', ');
  const cure = addresses.every(isLoopback)
    ? 'It announces loopback addresses only, which Firefox and other machines cannot use: set FLOTILLA_SFU_ANNOUNCED_ADDRESS to an address that clients reach.'
    : 'Allow these addresses in the firewall, or configure TURN servers on the gateways (FLOTILLA_TURN_URLS).';
  return new FlotillaError('ICE_FAILED', `No network path to SFU node ${nodeId} (${tried}). ${cure}`);
}

/** ICE_FAILED of a direct call. */
export function peerIceError(iceServers: readonly RTCIceServer[] = []): FlotillaError {
  const cure =
    iceServers.length === 0
      ? 'Configure TURN servers on the gateways (FLOTILLA_TURN_URLS), or give `connect` some in `iceServers`.'
      : 'Check that the TURN server can be reached and accepts the credentials.';
  return new FlotillaError('ICE_FAILED', `No network path to the other participant. ${cure}`);
}
