import { maxShards } from '../frames/limits.ts';

/** Bytes of every shard but the last, for a message of `size` bytes in `total` shards. */
export const shardBytes = (size: number, total: number): number => Math.ceil(size / total);

/** Number of shards of at most `maxBytes` bytes for a message of `size` bytes. */
export const shardCount = (size: number, maxBytes: number): number => Math.max(1, Math.ceil(size / maxBytes));

/**
 * Whether the shard `index` of a message of `size` bytes in `total` shards has `length` bytes. The layout follows from size and total, so
 * shards that agree on both never overlap.
 */
export function fitsLayout(size: number, total: number, index: number, length: number): boolean {
  if (total < 1 || total > maxShards || index >= total) return false;
  const each = shardBytes(size, total);
  const last = size - each * (total - 1);
  // Only an empty message has an empty shard.
  return (last > 0 || total === 1) && length === (index === total - 1 ? last : each);
}
