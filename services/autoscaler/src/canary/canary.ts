import { type Canary as State, type MigrationRecord, type NodeView, versionOf } from '@flotilla/contracts';
import { counter, type Logger } from '@flotilla/runtime';
import { type CanaryRules, type CanaryStore, type MigrationHistory, rulesOf, type StoredCanary } from '@flotilla/store';
import {
  comparisonsOf,
  crashesOf,
  type Evidence,
  noEvidence,
  parseEvidence,
  type Sample,
  withSample,
} from './comparison.ts';
import { Crashes } from './crashes.ts';
import { decide, type VersionNodes } from './decision.ts';
import { addCrash, addTime, type ComparedSide } from './evidence.ts';
import { exportCanary, resetCanaryMetrics } from './metrics.ts';
import { type SampledReport, Samples } from './samples.ts';
import type { CanarySettings } from './settings.ts';

/** Interval at which figures are written and the migration history is read, while nothing is decided, ms. */
const writeEveryMs = 2000;
/** A longer time between two steps is not counted as time that nodes ran, ms. */
const longestStepMs = 10_000;
/** Score from which down the cost of quality is 1, loss and gap from which up theirs are. */
const costs = { score: 0.6, loss: 0.1, gapMs: 1000 } as const;

const decisions = counter({
  name: 'flotilla_canary_decisions_total',
  help: 'Changes of the phase of the canary, by the new phase and what they rest on.',
  labelNames: ['phase', 'by'],
});

/** A sample of a version. */
type VersionSample = Omit<Sample, 'side'> & { readonly version: string };

/** What a step of the leader starts from. */
export interface CanaryReading {
  readonly stored: StoredCanary | undefined;
  readonly migrations: readonly MigrationRecord[];
}

export interface CanaryStep {
  readonly nodes: readonly NodeView[];
  /** Ids of the nodes that were declared dead. */
  readonly lost: ReadonlySet<string>;
  readonly term: number;
  /** By a monotonic clock, in milliseconds. */
  readonly now: number;
}

/**
 * The canary of the leading autoscaler: collects what nodes report of the two versions, decides, and keeps the record in the store.
 * In other instances only `receive` and `retire` are called.
 */
export class Canary {
  readonly #samples: Samples;
  readonly #crashes = new Crashes();
  /** Since when each version has had no live node. */
  readonly #absentSince = new Map<string, number>();
  readonly #countedMigrations = new Set<string>();
  #pending: VersionSample[] = [];
  #evidence: Evidence = noEvidence;
  /** When the evidence was begun or continued, by the wall clock: earlier migrations are in it, or are not comparable. */
  #evidenceSince = 0;
  #term: number | undefined;
  #rules: CanaryRules | undefined;
  #steppedAt: number | undefined;
  #wroteAt = -Infinity;
  #readHistoryAt = -Infinity;

  constructor(
    private readonly store: CanaryStore,
    private readonly history: Pick<MigrationHistory, 'recent'>,
    private readonly settings: CanarySettings,
    private readonly log: Logger,
    private readonly wallClock: () => number = Date.now,
  ) {
    this.#samples = new Samples(settings.sampleMs);
  }

  /** Records the reports of nodes, while a candidate is observed. */
  receive(reports: readonly SampledReport[], now: number): void {
    if (this.#rules?.candidate === undefined) return;
    for (const report of reports)
      for (const { version, score, loss } of this.#samples.record(report, now))
        this.#pending.push(
          { version, measure: 'quality', cost: (1 - score) / (1 - costs.score) },
          { version, measure: 'loss', cost: loss / costs.loss },
        );
  }

  /** Reads what `step` needs. */
  async read(now: number): Promise<CanaryReading> {
    const isDue = this.#rules?.candidate !== undefined && now - this.#readHistoryAt >= writeEveryMs;
    if (isDue) this.#readHistoryAt = now;
    const [stored, migrations] = await Promise.all([this.store.read(), isDue ? this.history.recent() : []]);
    return { stored, migrations };
  }

  /**
   * Decides on the phase. Returns the rules of placement, which the planner follows too, and what is to be written; call `write` with it
   * after the plan.
   */
  step({ stored, migrations }: CanaryReading, { nodes, lost, term, now }: CanaryStep): PendingWrite {
    const known = stored?.canary;
    if (term !== this.#term) this.#begin(term, stored);
    // The decision of the last step was not written.
    else if (rulesOfKnown(known)?.candidate !== this.#rules?.candidate) this.#restart(storedEvidence(stored));
    this.#rules = rulesOfKnown(known);
    if (this.#rules?.candidate !== undefined) this.#collect({ nodes, lost, term, now }, migrations, this.#rules);
    else this.#pending = [];
    this.#steppedAt = now;

    const versions = versionsOf(nodes);
    for (const version of [known?.stable, known?.candidate])
      if (version === undefined || (versions.get(version)?.nodes ?? 0) > 0) this.#absentSince.delete(version ?? '');
      else this.#absentSince.set(version, this.#absentSince.get(version) ?? now);
    const next = decide({
      canary: known,
      order: stored?.order,
      evidence: this.#evidence,
      versions: new Map([...versions].filter(([, each]) => each.nodes > 0)),
      sessionsOf: (version) => versions.get(version)?.sessions ?? 0,
      absentMs: (version) => now - (this.#absentSince.get(version) ?? now),
      settings: this.settings,
      now: this.wallClock(),
    });
    const isOther = (field: 'phase' | 'stable' | 'candidate'): boolean => next?.[field] !== known?.[field];
    const isDecided = isOther('phase') || isOther('stable') || isOther('candidate') || stored?.order !== undefined;
    if (next && isDecided && next !== known) this.#report(next);
    if (next?.phase === 'observing' && (isOther('phase') || isOther('stable'))) this.#restart(noEvidence);
    this.#rules = rulesOfKnown(next);
    if (next) exportCanary(next, comparisonsOf(this.#evidence), crashesOf(this.#evidence));
    const isDue = next?.phase === 'observing' && now - this.#wroteAt >= writeEveryMs;
    const toWrite = next && (isDecided || isDue) ? next : undefined;
    if (toWrite) this.#wroteAt = now;
    return { rules: this.#rules, canary: toWrite, done: stored?.order, evidence: this.#evidence, term };
  }

  async write({ canary, done, evidence, term }: PendingWrite): Promise<void> {
    if (canary) await this.store.write(term, canary, JSON.stringify(evidence), done);
  }

  /** The comparison of the previous leader is continued. Participants that are present may be in it already. */
  #begin(term: number, stored: StoredCanary | undefined): void {
    this.#term = term;
    this.#absentSince.clear();
    this.#restart(storedEvidence(stored));
  }

  /** Called while this instance does not lead: it collects and exports nothing, and its next term continues the stored comparison. */
  retire(): void {
    if (this.#term === undefined) return;
    resetCanaryMetrics();
    this.#term = undefined;
    this.#rules = undefined;
    this.#restart(noEvidence);
  }

  #restart(evidence: Evidence): void {
    this.#evidence = evidence;
    this.#evidenceSince = this.wallClock();
    this.#pending = [];
    this.#samples.restart();
    this.#crashes.restart();
    this.#countedMigrations.clear();
    this.#steppedAt = undefined;
  }

  #collect({ nodes, lost, now }: CanaryStep, migrations: readonly MigrationRecord[], rules: CanaryRules): void {
    const { tolerance } = this.settings;
    const sideOf = (version: string | undefined): ComparedSide | undefined =>
      version === rules.stable ? 'stable' : version === rules.candidate ? 'candidate' : undefined;
    const running = { stable: 0, candidate: 0 };
    for (const node of nodes) {
      const side = sideOf(versionOf(node));
      if (side && node.alive) running[side]++;
    }
    const stepMs = now - (this.#steppedAt ?? now);
    let evidence: Evidence = this.#evidence;
    if (stepMs <= longestStepMs) evidence = { ...evidence, crashes: addTime(evidence.crashes, running, stepMs) };
    for (const { version, process } of this.#crashes.update(nodes, lost)) {
      const side = sideOf(version);
      if (!side) continue;
      // A node that died may not be among those that run.
      const ran = { ...running, [side]: Math.max(1, running[side]) };
      evidence = { ...evidence, crashes: addCrash(evidence.crashes, side, ran) };
      this.log.warn(
        { version, side, process },
        process === undefined ? 'media worker of a version died' : 'node of a version died',
      );
      if (side === 'candidate' && process !== undefined)
        evidence = { ...evidence, deaths: { ...evidence.deaths, [process]: (evidence.deaths[process] ?? 0) + 1 } };
    }
    for (const { version, ...sample } of [...this.#pending, ...this.#gaps(nodes, migrations)]) {
      const side = sideOf(version);
      if (side) evidence = withSample(evidence, { side, ...sample }, tolerance);
    }
    this.#pending = [];
    this.#evidence = evidence;
  }

  /** The migrations that began and ended since the last time, as samples of the version that they led to. */
  #gaps(nodes: readonly NodeView[], migrations: readonly MigrationRecord[]): VersionSample[] {
    const versions = new Map(nodes.map((node) => [node.id, versionOf(node)]));
    return migrations.flatMap(({ id, toNode, reason, startedAt, end, gapMs }) => {
      if (startedAt < this.#evidenceSince) return [];
      const version = versions.get(toNode);
      const hasFailed = end === 'rolled_back' || end === 'timed_out';
      // Participants of lost nodes have a gap that the new node has no part in.
      if (version === undefined || reason === 'node_lost' || (!hasFailed && gapMs === undefined)) return [];
      if (this.#countedMigrations.has(id)) return [];
      this.#countedMigrations.add(id);
      return [{ version, measure: 'gap' as const, cost: hasFailed ? 1 : gapMs! / costs.gapMs }];
    });
  }

  #report({ phase, stable, candidate, share, excluded, decision: { by, reasons } }: State): void {
    decisions.inc({ phase, by });
    const fields = { phase, stable, candidate, share, excluded, by, reasons };
    if (phase === 'evacuating') this.log.warn(fields, 'candidate evacuated');
    else this.log.info(fields, 'canary phase changed');
  }
}

/** What a step leaves to be written. */
export interface PendingWrite {
  readonly rules: CanaryRules | undefined;
  readonly canary: State | undefined;
  readonly done: StoredCanary['order'];
  readonly evidence: Evidence;
  readonly term: number;
}

/** The evidence of the observation that runs; none when none does. */
const storedEvidence = (stored: StoredCanary | undefined): Evidence =>
  stored?.canary.phase === 'observing' ? parseEvidence(stored.evidence) : noEvidence;

const rulesOfKnown = (canary: State | undefined): CanaryRules | undefined => canary && rulesOf(canary);

function versionsOf(nodes: readonly NodeView[]): Map<string, VersionNodes & { readonly sessions: number }> {
  const versions = new Map<string, VersionNodes & { readonly sessions: number }>();
  for (const node of nodes) {
    const version = versionOf(node);
    const { nodes: count = 0, sessions = 0, newestStart = 0 } = versions.get(version) ?? {};
    versions.set(version, {
      nodes: count + Number(node.alive),
      sessions: sessions + node.reserved,
      newestStart: Math.max(newestStart, node.startedAt),
    });
  }
  return versions;
}
