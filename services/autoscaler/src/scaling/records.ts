import type { ScalingRecord } from '@flotilla/contracts';
import type { Logger } from '@flotilla/runtime';
import type { OperationsStore } from '@flotilla/store';
import type { ScalingTarget } from './decision.ts';
import type { Demand } from './demand.ts';

/** Whether the two differ for an operator: in the number, or in whether the maximum is too low. */
const isOther = (a: Pick<ScalingRecord, 'nodes' | 'cause'>, b: Pick<ScalingRecord, 'nodes' | 'cause'>): boolean =>
  a.nodes !== b.nodes || (a.cause === 'maximum') !== (b.cause === 'maximum');

/** Records the decisions of the instance that scales, each that differs from the one before. */
export class ScalingRecords {
  /** The last one, as far as it is known. */
  #last: ScalingRecord | undefined;

  constructor(
    private readonly store: Pick<OperationsStore, 'recordScaling' | 'scalings'>,
    private readonly log: Logger,
    private readonly wallClock: () => number = Date.now,
  ) {}

  /** Never rejects: scaling does not wait for a record that cannot be written. The next decision repeats it. */
  async decided(demand: Demand, target: ScalingTarget, replicas: number | undefined): Promise<void> {
    try {
      this.#last ??= (await this.store.scalings())[0];
      if (this.#last && !isOther(this.#last, target)) return;
      const record = recordOf(this.wallClock(), demand, target, this.#last?.nodes, replicas);
      await this.store.recordScaling(record);
      this.#last = record;
    } catch (error) {
      this.log.debug({ err: error, nodes: target.nodes }, 'scaling decision not recorded');
    }
  }

  /** Called while another instance leads, which records its own. */
  retire(): void {
    this.#last = undefined;
  }
}

const recordOf = (
  at: number,
  { sessions, cpu }: Demand,
  { nodes, cause, expectedSessions }: ScalingTarget,
  before: number | undefined,
  replicas: number | undefined,
): ScalingRecord => ({
  at,
  nodes,
  ...(before !== undefined && { before }),
  cause,
  sessions,
  expectedSessions: tenths(expectedSessions),
  cpu: tenths(cpu),
  ...(replicas !== undefined && { replicas }),
});

const tenths = (value: number): number => Math.round(value * 10) / 10;
