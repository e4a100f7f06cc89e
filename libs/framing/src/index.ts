export * from './codec.ts';
export * from './frame-error.ts';
export type { LossNotice, ModeSwitch, RelayStamp, Shard, TimeRequest, TimeResponse } from './generated/metadata_pb.ts';
export * from './limits.ts';
export { fitsLayout } from './shard-layout.ts';
