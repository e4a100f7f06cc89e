import { maxShards } from '../frames/limits.ts';

/** Bytes of every shard but the last of a message of `size` bytes in `total` shards. */
export const shardBytes = (size: number, total: number): number => Math.ceil(size / total);

/** How many shards a message of `size` bytes takes when none is to carry more than `most` bytes. */
export const shardCount = (size: number, most: number): number => Math.max(1, Math.ceil(size / most));

/**
 * True when the shard `index` of a message of `size` bytes in `total` shards carries `length` bytes. As this says where
 * it begins and ends, shards of one size and total never overlap.
 */
export function fitsLayout(size: number, total: number, index: number, length: number): boolean {
  if (total < 1 || total > maxShards || index >= total) return false;
  const each = shardBytes(size, total);
  const last = size - each * (total - 1);
  // A message without bytes has one shard; any other has none without bytes.
  return (last > 0 || total === 1) && length === (index === total - 1 ? last : each);
}
