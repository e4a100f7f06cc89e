import type { DrainProgress, NodeState } from '@flotilla/contracts';

/** The state of this node: active at its start, then as the last `sfu.cordon` set it. */
export class OwnState {
  #state: NodeState = 'active';
  /** Defined while the node drains. */
  drain: Omit<DrainProgress, 'left'> | undefined;

  get current(): NodeState {
    return this.#state;
  }

  set(state: NodeState): void {
    this.#state = state;
    if (state !== 'draining') this.drain = undefined;
  }
}
