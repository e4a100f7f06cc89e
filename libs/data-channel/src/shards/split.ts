import { FrameError } from '../frames/frame-error.ts';
import { maxShardBytes, maxShards } from '../frames/limits.ts';
import { shardBytes, shardCount } from './layout.ts';

/** Position and payload of a shard. */
export interface ShardPart {
  readonly index: number;
  readonly total: number;
  readonly size: number;
  readonly payload: Uint8Array;
}

/**
 * Splits a message into shards of at most `maxBytes` bytes, which are views of it.
 *
 * @throws FrameError `shard` when the message needs more than `maxShards` shards
 */
export function* split(message: Uint8Array, maxBytes = maxShardBytes): Generator<ShardPart, void, undefined> {
  const size = message.length;
  const total = shardCount(size, maxBytes);
  if (!(maxBytes >= 1) || total > maxShards)
    throw new FrameError('shard', `${size} bytes need more than ${maxShards} shards of ${maxBytes} bytes`);
  const each = shardBytes(size, total);
  for (let index = 0; index < total; index++)
    yield { index, total, size, payload: message.subarray(index * each, (index + 1) * each) };
}
