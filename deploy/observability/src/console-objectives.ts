import { type Objective, objectives } from './objectives.ts';
import { budgetOf, titleOf } from './rules.ts';

/** What the operations page of the console shows of an objective; its type there is `Objective`. */
function shown(objective: Objective): object {
  const { id, alert } = objective;
  return objective.kind === 'level'
    ? { id, alert, title: objective.title, above: objective.above, unit: objective.unit }
    : { id, alert, title: titleOf(objective), budget: budgetOf(objective) };
}

/** The module of the console with the objectives: services do not import what is deployed. */
export const consoleObjectives =
  (): string => `// Generated from deploy/observability/src/objectives.ts by \`npm run generate\`.
import type { Objective } from '../operations/view.ts';

export const objectives: readonly Objective[] = ${JSON.stringify(objectives.map(shown), null, 2)};
`;
