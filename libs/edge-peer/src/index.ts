export { EdgePeer, type EdgePeerHandlers, type EdgePeerOptions, type Move, type PeerSession } from './edge-peer.ts';
export { ForwardedTrack, type ForwardedTrackOptions, type SourcePacket } from './forwarded-track.ts';
export { EdgeLink, type LinkHandlers, type RoomRequest } from './link.ts';
export { Reception } from './reception.ts';
export { headerBytes, isRtcp, isRtp, rtpPacket, type RtpStream, sequenceOf, ssrcOf, timestampOf } from './rtp.ts';
export type { OutgoingTrack, StartedTrack, TrackSender } from './track.ts';
export { endTransports } from './transport.ts';
