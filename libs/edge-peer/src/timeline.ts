/** A larger forward jump of the sequence number is a restart of the source (MAX_DROPOUT of RFC 3550, appendix A.1). */
const maxDropout = 3000;
/** A timestamp that is further from the time that passed is a jump of the source's clock, in milliseconds. */
const maxClockJumpMs = 5000;

export interface Position {
  /** Counts on without wrapping around. Its lower 16 bits are the sequence number. */
  readonly sequence: number;
  /** In units of the RTP clock, 32 bits. */
  readonly timestamp: number;
  /** Another source, or the same one with other sequence numbers or another clock. */
  readonly restarted: boolean;
}

/**
 * Maps sequence numbers and timestamps of a source that may be replaced to those of one continuous stream. Within a source, gaps of
 * sequence numbers and distances of timestamps stay as they are; between two sources, the sequence numbers continue and the
 * timestamp advances by the time that passed.
 */
export class Timeline {
  #last: { ssrc: number; sequence: number; timestamp: number; at: number } | undefined;
  #sequence = 0;
  #timestamp = 0;

  constructor(private readonly clockRate: number) {}

  /**
   * The position of a packet of the source.
   *
   * @param inserted number of packets that are sent in front of it, with its timestamp: `sequence` is that of the first of them.
   * @param now a monotonic clock, in milliseconds.
   */
  place(
    { ssrc, sequence, timestamp }: { readonly ssrc: number; readonly sequence: number; readonly timestamp: number },
    inserted: number,
    now: number,
  ): Position {
    const last = this.#last;
    let restarted = false;
    let step = 1;
    if (last) {
      const ahead = ((sequence - last.sequence + 0x80_00) & 0xff_ff) - 0x80_00;
      const advance = (timestamp - last.timestamp) | 0;
      const passedMs = now - last.at;
      const isJump = Math.abs((advance / this.clockRate) * 1000 - passedMs) > maxClockJumpMs;
      restarted = ssrc !== last.ssrc || ahead <= 0 || ahead > maxDropout || isJump;
      if (!restarted) step = ahead;
      const units = restarted ? Math.max(1, Math.round((passedMs / 1000) * this.clockRate)) : advance;
      this.#timestamp = (this.#timestamp + units) >>> 0;
    }
    this.#last = { ssrc, sequence, timestamp, at: now };
    const first = this.#sequence + step;
    this.#sequence = first + inserted;
    return { sequence: first, timestamp: this.#timestamp, restarted };
  }
}
