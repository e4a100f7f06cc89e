import type { DrainProgress, NodeState } from '@flotilla/contracts';

/** What this node is there for now. It begins active; an order lasts until the next or until the process ends. */
export class OwnState {
  #state: NodeState = 'active';
  /** While it drains. */
  drain: Omit<DrainProgress, 'left'> | undefined;

  get current(): NodeState {
    return this.#state;
  }

  set(state: NodeState): void {
    this.#state = state;
    if (state !== 'draining') this.drain = undefined;
  }
}
