/** Default maximum frame size in bytes. Longer messages block others on the same association (RFC 8831, section 6.6). */
export const maxFrameBytes = 16 * 1024;

/** Upper bound on the bytes of all fields except the payload, including the relay's stamp. */
export const frameOverhead = 384;

/** Default maximum payload of a shard, in bytes. */
export const maxShardBytes = maxFrameBytes - frameOverhead;

/** Maximum number of shards per message. */
export const maxShards = 65_536;

/** Maximum sequence id of a publisher on a topic. At 1,000 messages per second it is reached after 49 days. */
export const maxSeqId = 0xffff_ffff;
