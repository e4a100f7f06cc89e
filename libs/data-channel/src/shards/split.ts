import { FrameError } from '../frames/frame-error.ts';
import { maxShardBytes, maxShards } from '../frames/limits.ts';
import { shardBytes, shardCount } from './layout.ts';

/** What a shard says of its place, and its bytes. */
export interface ShardPart {
  readonly index: number;
  readonly total: number;
  readonly size: number;
  readonly payload: Uint8Array;
}

/**
 * Cuts a message into shards of at most `most` bytes, which are views of it: nothing is copied.
 * @throws FrameError `shard` when it takes more shards than a message may have
 */
export function* split(message: Uint8Array, most = maxShardBytes): Generator<ShardPart, void, undefined> {
  const size = message.length;
  const total = shardCount(size, most);
  if (!(most >= 1) || total > maxShards)
    throw new FrameError('shard', `${size} bytes take more than ${maxShards} shards of ${most} bytes`);
  const each = shardBytes(size, total);
  for (let index = 0; index < total; index++)
    yield { index, total, size, payload: message.subarray(index * each, (index + 1) * each) };
}
