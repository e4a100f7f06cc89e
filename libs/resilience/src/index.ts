export { type CallGuardOptions, CallGuard, defaultHalfOpenMs, type OpenBreaker } from './call-guard.ts';
export { CallRefused } from './call-refused.ts';
export type { CallOutcome, OutcomeOf, Settled, Target } from './guarded-target.ts';
export { LastAnswers } from './last-answers.ts';
export { RetryBudget, withRetries } from './retry-budget.ts';
export { type Snapshot, SnapshotCache, type SnapshotCacheOptions } from './snapshot-cache.ts';
