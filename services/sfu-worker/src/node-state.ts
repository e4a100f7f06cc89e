import { type DrainProgress, FlotillaError, type NodeState } from '@flotilla/contracts';

/** The state of this node: active at its start, then as the last `sfu.cordon` set it. */
export class OwnState {
  #state: NodeState = 'active';
  #term = 0;
  /** Defined while the node drains. */
  drain: Omit<DrainProgress, 'left'> | undefined;

  get current(): NodeState {
    return this.#state;
  }

  /**
   * Accepts an order of the autoscaler with this term; an operator's has none.
   *
   * @throws FlotillaError STALE_TERM when there was an order with a higher term
   */
  accept(term: number | undefined): void {
    if (term === undefined) return;
    if (term < this.#term) throw new FlotillaError('STALE_TERM');
    this.#term = term;
  }

  set(state: NodeState): void {
    this.#state = state;
    if (state !== 'draining') this.drain = undefined;
  }
}
