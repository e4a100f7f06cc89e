import { type BitrateBounds, within } from '../port.ts';
import { LinkCapacity } from './link-capacity.ts';
import type { Usage } from './overuse-detector.ts';

/** Share of the acknowledged bit rate after overuse (beta of draft-ietf-rmcat-gcc-02 section 5.5). */
const decreaseFactor = 0.85;
/** Multiplicative increase per second, far from convergence (eta). */
const increaseFactor = 1.08;
/** The target stays below this multiple of the acknowledged bit rate, plus a constant for very low ones. */
const [maxOverAcknowledged, acknowledgedSlack] = [1.5, 10_000];
/** Shortest and longest time between two decreases, ms: the first must have had its effect. */
const [minDecreaseMs, maxDecreaseMs] = [100, 400];
const expectedPacketBits = 9600;

export interface RateInput {
  readonly usage: Usage;
  /** bit/s; undefined until it is known. */
  readonly acknowledged: number | undefined;
  readonly rttMs: number;
  /** Whether the sender sends much less than the target: then nothing is learned about the path. */
  readonly isApplicationLimited: boolean;
  readonly nowMs: number;
  /** Multiplicative increase per second in place of 1.08. */
  readonly increaseFactor?: number | undefined;
}

/** The delay-based rate control: increase, hold, decrease (section 5.5). */
export class RateControl {
  state: 'increase' | 'hold' | 'decrease' = 'hold';
  target: number;
  readonly #capacity = new LinkCapacity();
  #updatedMs: number | undefined;
  #decreasedMs = -Infinity;

  constructor(private readonly bounds: BitrateBounds) {
    this.target = bounds.start;
  }

  get decreasedMs(): number {
    return this.#decreasedMs;
  }

  update(input: RateInput): void {
    const { usage, nowMs } = input;
    const elapsedMs = Math.max(0, Math.min(nowMs - (this.#updatedMs ?? nowMs), 1000));
    this.#updatedMs = nowMs;
    if (usage === 'overuse') this.#decrease(input);
    else if (usage === 'underuse') this.state = 'hold';
    else if (this.state === 'increase') this.#increase(input, elapsedMs);
    else this.state = 'increase';
    this.target = within(this.bounds, this.target);
  }

  #decrease({ acknowledged, rttMs, nowMs }: RateInput): void {
    this.state = 'decrease';
    const pauseMs = Math.max(minDecreaseMs, Math.min(rttMs, maxDecreaseMs));
    if (nowMs - this.#decreasedMs < pauseMs) return;
    this.#decreasedMs = nowMs;
    const base = acknowledged ?? this.target;
    if (acknowledged !== undefined) {
      if (this.#capacity.excludes(acknowledged)) this.#capacity.reset();
      this.#capacity.add(acknowledged);
    }
    this.target = Math.min(this.target, decreaseFactor * base);
  }

  #increase({ acknowledged, rttMs, isApplicationLimited, increaseFactor: factor }: RateInput, elapsedMs: number): void {
    if (isApplicationLimited) return;
    if (acknowledged !== undefined && this.#capacity.excludes(acknowledged)) this.#capacity.reset();
    const next = this.#capacity.isKnown
      ? this.target + (Math.min(elapsedMs / (100 + rttMs), 1) / 2) * expectedPacketBits
      : this.target * (factor ?? increaseFactor) ** (elapsedMs / 1000);
    const most = acknowledged === undefined ? Infinity : maxOverAcknowledged * acknowledged + acknowledgedSlack;
    this.target = Math.max(this.target, Math.min(next, most));
  }

  /** Raises the target to what a probe found. */
  raiseTo(bitrate: number): void {
    if (!(bitrate > this.target)) return;
    this.target = within(this.bounds, bitrate);
    this.#capacity.reset();
  }

  /** Lowers the target, so that the rate control does not run ahead of another limit. */
  limitTo(bitrate: number): void {
    if (bitrate < this.target) this.target = within(this.bounds, bitrate);
  }
}
