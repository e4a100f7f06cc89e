export { LightPeer, type LightPeerOptions, type Move, type Received } from './light-peer.ts';
export { endTransports } from './transport.ts';
