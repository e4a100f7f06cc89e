/** Longest frame by default, bytes: longer messages hold up others on the same association (RFC 8831, section 6.6). */
export const maxFrameBytes = 16 * 1024;

/** More than all fields but the payload ever take, the relay's stamp included, bytes. */
export const frameOverhead = 384;

/** Payload of a shard by default, bytes. */
export const maxShardBytes = maxFrameBytes - frameOverhead;

/** Most shards a message may have. */
export const maxShards = 65_536;

/** The last sequence id a publisher may use on a topic: at 1,000 messages a second it comes after 49 days. */
export const maxSeqId = 0xffff_ffff;
