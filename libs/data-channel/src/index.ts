export * from './frames/codec.ts';
export * from './frames/frame-error.ts';
export * from './frames/limits.ts';
export type { LossNotice, ModeSwitch, RelayStamp, Shard, TimeRequest, TimeResponse } from './generated/metadata_pb.ts';
export { answerTo, dtlsParametersOf } from './links/answer.ts';
export { channelFor, channelSettings } from './links/channels.ts';
export { LinkMeter } from './links/link-meter.ts';
export {
  type AdaptiveChannel,
  adaptiveRule,
  initialMode,
  type LinkMeasurement,
  type ModeState,
  nextMode,
} from './links/mode-controller.ts';
export type { MessageInfo, MessageSink } from './shards/open-message.ts';
export { shardBytes, shardCount } from './shards/layout.ts';
export * from './shards/reassembler.ts';
export * from './shards/split.ts';
