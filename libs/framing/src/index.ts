export * from './codec.ts';
export * from './frame-error.ts';
export type { LossNotice, ModeSwitch, RelayStamp, Shard, TimeRequest, TimeResponse } from './generated/metadata_pb.ts';
export * from './limits.ts';
export { shardBytes, shardCount } from './shards/layout.ts';
export * from './shards/reassembler.ts';
export * from './shards/split.ts';
export type { MessageInfo, MessageSink } from './shards/open-message.ts';
