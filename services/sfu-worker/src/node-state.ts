import type { NodeState } from '@flotilla/contracts';

/** What this node is there for now. It begins active; an order lasts until the next or until the process ends. */
export class OwnState {
  #state: NodeState = 'active';

  get current(): NodeState {
    return this.#state;
  }

  set(state: NodeState): void {
    this.#state = state;
  }
}
