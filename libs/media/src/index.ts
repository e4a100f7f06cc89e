export { routerRtpCapabilities } from './codecs.ts';
export * from './media-node.ts';
export type { MediaRoom } from './media-room.ts';
export { OpenRooms } from './open-rooms.ts';
export type { PeerNodes, PipeListen } from './pipes/pipe-transport.ts';
export { groupOf, hysteresis, moveBelow, score, stableFrom } from './quality/score.ts';
export { type ListenOptions, type PooledWorker, WorkerPool } from './worker-pool.ts';
