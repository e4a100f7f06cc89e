export { AutoscalerModule, type AutoscalerOptions } from './autoscaler.module.ts';
export { autoscalerConfig } from './config.ts';
export { plan } from './planner/plan.ts';
export { type PlannerSettings, plannerSettings } from './planner/settings.ts';
export * from './planner/state.ts';
export { decide, emptyScalingMemory, type ScalingMemory } from './scaling/decision.ts';
export { type ScalingSettings, scalingSettings } from './scaling/settings.ts';
