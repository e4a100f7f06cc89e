export * from './event-log.ts';
export * from './memory.ts';
export { type RedisAddress, redisOptions } from './redis-address.ts';
export { redisOp, streamKey, toEntries } from './redis-client.ts';
export { RedisLink } from './redis-link.ts';
export * from './redis-streams.ts';
export * from './stream-script.ts';
export * from './room-log.ts';
