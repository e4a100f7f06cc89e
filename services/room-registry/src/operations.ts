import {
  type AnnounceExperiment,
  FlotillaError,
  maxExperiments,
  type Operations as State,
  type RunningExperiment,
} from '@flotilla/contracts';
import type { Logger } from '@flotilla/runtime';
import type { Store } from '@flotilla/store';
import type { z } from 'zod';

/** What operators see over REST, and the chaos experiments that are announced to them. */
export class Operations {
  constructor(
    private readonly store: Pick<Store, 'pulse' | 'operations' | 'canary'>,
    private readonly log: Logger,
    private readonly now: () => number = Date.now,
  ) {}

  async state(): Promise<State> {
    const at = this.now();
    const { operations } = this.store;
    const [vertices, canary, scalings, experiments] = await Promise.all([
      this.store.pulse(),
      this.store.canary.read(),
      operations.scalings().catch(this.#without('scale decisions')),
      operations.experiments().catch(this.#without('experiments')),
    ]);
    return {
      at,
      nodes: vertices.filter((vertex) => vertex.kind === 'node').toSorted(byId),
      migrations: vertices
        .flatMap((vertex) => (vertex.kind === 'migration' ? [withoutKind(vertex)] : []))
        .toSorted((a, b) => b.startedAt - a.startedAt || byId(a, b)),
      breakers: vertices.flatMap((vertex) =>
        vertex.kind === 'breaker'
          ? [{ caller: vertex.caller, target: vertex.target, state: vertex.state, since: vertex.since }]
          : [],
      ),
      ...(canary && { canary: canary.canary }),
      scalings,
      experiments,
    };
  }

  /** An answer without one part, such as one that the user of Redis may not read yet. When Redis is away, the other parts fail as well. */
  readonly #without =
    (part: string) =>
    (error: unknown): [] => {
      this.log.debug({ err: error, part }, 'operations without a part');
      return [];
    };

  /** Throws RATE_LIMITED when there are too many. */
  async announce(
    { name, summary, seconds }: z.output<typeof AnnounceExperiment>,
    by: string,
  ): Promise<RunningExperiment> {
    const startedAt = this.now();
    const experiment = { name, summary, by, startedAt, endsAt: startedAt + seconds * 1000 };
    if (!(await this.store.operations.announce(experiment)))
      throw new FlotillaError('RATE_LIMITED', `${maxExperiments} experiments are announced already`);
    this.log.warn({ experiment: name, summary, seconds, by }, 'chaos experiment announced');
    return experiment;
  }

  async end(name: string): Promise<void> {
    await this.store.operations.end(name);
  }
}

const byId = (a: { readonly id: string }, b: { readonly id: string }): number => (a.id < b.id ? -1 : 1);

function withoutKind<Vertex extends { readonly kind: string }>({ kind: _kind, ...rest }: Vertex): Omit<Vertex, 'kind'> {
  return rest;
}
