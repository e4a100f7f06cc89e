import { type BitrateBounds, within } from '../port.ts';

/** Loss below the first lets the bit rate grow, above the second lowers it (draft-ietf-rmcat-gcc-02 section 6). */
const [lowLoss, highLoss] = [0.02, 0.1];
/** Growth per second while there is little loss. */
const growthPerSecond = 1.08;
/** A limit this far above the target is none. */
const noLimitFactor = 1.2;
/** Shortest time between two decreases, ms. */
const decreaseEveryMs = 300;
/** Windows of loss of this length are compared to find the part of the loss that does not depend on the bit rate. */
const inherentWindowMs = 2000;
const inherentWindows = 10;
/** Loss above it is never taken for inherent. */
const maxInherentLoss = 0.08;

/**
 * The loss-based controller (section 6). Two additions for shallow queues, where loss is the only sign of congestion: the
 * least loss of the last 20 s counts as inherent to the path, as of a radio link; and loss between the two thresholds,
 * without the inherent one, in two windows in a row, limits the bit rate to what arrived.
 */
export class LossControl {
  /** bit/s; Infinity while loss does not limit. */
  limit = Infinity;
  #updatedMs: number | undefined;
  /** Time of the last decrease. */
  decreasedMs = -Infinity;
  #mediumInARow = 0;
  /** The least loss in each of the last windows. */
  readonly #least: number[] = [];
  #windowStartMs = -Infinity;

  constructor(private readonly bounds: BitrateBounds) {}

  /**
   * @param loss of the packets since the last call, 0 to 1.
   * @param target current target, bit/s.
   * @param acknowledged bit rate that arrived.
   */
  update(loss: number, target: number, acknowledged: number | undefined, nowMs: number): void {
    const elapsedMs = Math.max(0, Math.min(nowMs - (this.#updatedMs ?? nowMs), 1000));
    this.#updatedMs = nowMs;
    this.#note(loss, nowMs);
    const inherent = Math.min(...this.#least, maxInherentLoss);
    const excess = loss - inherent;
    this.#mediumInARow = excess > lowLoss ? this.#mediumInARow + 1 : 0;
    if (loss > highLoss && excess > lowLoss) this.#decrease(target * (1 - loss / 2), nowMs);
    else if (this.#mediumInARow >= 2 && acknowledged !== undefined)
      this.#decrease(Math.min(target, acknowledged / (1 - inherent)), nowMs);
    else if (excess <= lowLoss) this.#grow(target, elapsedMs);
  }

  #note(loss: number, nowMs: number): void {
    if (nowMs - this.#windowStartMs >= inherentWindowMs) {
      this.#windowStartMs = nowMs;
      this.#least.push(loss);
      if (this.#least.length > inherentWindows) this.#least.shift();
    } else this.#least.push(Math.min(this.#least.pop() ?? loss, loss));
  }

  #decrease(limit: number, nowMs: number): void {
    if (nowMs - this.decreasedMs < decreaseEveryMs) return;
    this.decreasedMs = nowMs;
    this.limit = within(this.bounds, Math.min(this.limit, limit));
  }

  #grow(target: number, elapsedMs: number): void {
    if (this.limit === Infinity) return;
    this.limit *= growthPerSecond ** (elapsedMs / 1000);
    if (this.limit > noLimitFactor * target || this.limit >= this.bounds.max) this.limit = Infinity;
  }

  /** A probe arrived at a higher bit rate. */
  raiseTo(bitrate: number): void {
    if (bitrate > this.limit) this.limit = bitrate;
  }
}
