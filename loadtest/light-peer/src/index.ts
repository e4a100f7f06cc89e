export { LightPeer, type LightPeerOptions, type Move, type Received } from './light-peer.ts';
export { LightLink, type PublishOptions, type RoomRequest } from './link.ts';
export { endTransports } from './transport.ts';
