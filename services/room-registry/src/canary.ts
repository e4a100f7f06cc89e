import { type Canary as State, type CanaryOrder, FlotillaError } from '@flotilla/contracts';
import type { Logger } from '@flotilla/runtime';
import type { CanaryStore } from '@flotilla/store';

/** The canary of the REST API: its state, and orders to the autoscaler that leads. */
export class Canary {
  constructor(
    private readonly store: CanaryStore,
    private readonly log: Logger,
  ) {}

  /** Throws NOT_FOUND while the canary is off. */
  async state(): Promise<State> {
    const stored = await this.store.read();
    if (!stored)
      throw new FlotillaError('NOT_FOUND', 'there is no canary: set FLOTILLA_CANARY=true for the autoscaler');
    return stored.canary;
  }

  /**
   * Gives an order, and returns the state before. Throws NOT_FOUND while the canary is off, and when there is no candidate that could
   * be promoted or evacuated, WRONG_STATE when another version than the one that is meant is the candidate.
   */
  async order(kind: CanaryOrder['kind'], by: string, meant?: string): Promise<State> {
    const state = await this.state();
    const { candidate, phase } = state;
    if (kind === 'promote' && (candidate === undefined || phase === 'promoted'))
      throw new FlotillaError('NOT_FOUND', 'there is no candidate');
    if (kind === 'evacuate' && phase !== 'observing')
      throw new FlotillaError('NOT_FOUND', 'no candidate is being observed');
    if (meant !== undefined && meant !== candidate)
      throw new FlotillaError('WRONG_STATE', `the candidate is ${candidate}, not ${meant}`);
    const about = kind === 'reset' ? {} : { candidate };
    if (!(await this.store.order({ kind, by, ...about })))
      throw new FlotillaError('NOT_FOUND', 'the canary was switched off');
    this.log.info({ order: kind, by, candidate, phase }, 'canary order given');
    return state;
  }
}
