export { LightPeer, type LightPeerOptions, type Received } from './light-peer.ts';
export { LightLink, type PublishOptions } from './link.ts';
export { endTransports, type Move, type RoomRequest } from '@flotilla/edge-peer';
