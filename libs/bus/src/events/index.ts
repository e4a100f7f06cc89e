export * from './event-log.ts';
export * from './memory.ts';
export { connectRedis, redisOp, streamKey, toEntries } from './redis-client.ts';
export * from './redis-streams.ts';
export * from './stream-script.ts';
export * from './room-log.ts';
